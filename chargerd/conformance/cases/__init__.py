"""The cases, a module for each block or part of one."""
