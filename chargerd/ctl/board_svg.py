"""What is wired to what on a board, as an SVG picture for documents."""

from collections.abc import Iterable, Iterator
from html import escape

from chargerd.ctl.board_picture import BoardPicture, DevicePicture, EvsePicture

CHAR_PX, ROW_PX, GAP_PX, MARGIN_PX = 7.3, 16, 10, 16
COLUMN_GAP_PX = 70
STYLE = """
text { font: 12px monospace; fill: #1b1f24 }
.head { font-weight: bold }
.quiet { fill: #59636e }
rect { fill: #ffffff; stroke: #59636e; rx: 4 }
.evse { fill: #eaf3fb; stroke: #2b6cb0 }
.wire { fill: #f4f4f0 }
.simulated { stroke-dasharray: 4 3 }
path { fill: none; stroke: #59636e }
"""


class _Box:
    """A box of text lines, the first one bold; `mark`: its class in the style."""

    def __init__(self, x: float, y: float, width: float, texts: list[str], mark: str) -> None:
        self.x, self.y, self.width, self.texts, self.mark = x, y, width, texts, mark
        self.height = len(texts) * ROW_PX + GAP_PX

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    def svg(self) -> Iterator[str]:
        place = f'x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}"'
        yield f'<rect class="{self.mark}" {place}/>'
        for number, text in enumerate(self.texts):
            weight = "head" if number == 0 else "quiet"
            y = self.y + GAP_PX / 2 + (number + 0.75) * ROW_PX
            yield f'<text class="{weight}" x="{self.x + 8:g}" y="{y:g}">{escape(text)}</text>'


def svg(picture: BoardPicture) -> str:
    """The board as a picture: EVSEs on the left, beside them their devices, then what those are connected to."""
    evse_width = _width([text for evse in picture.evses for text in _evse_texts(evse)])
    devices = [device for evse in picture.evses for device in evse.devices]
    device_width = _width([text for device in devices for text in _device_texts(device)])
    device_x = MARGIN_PX + evse_width + COLUMN_GAP_PX
    wire_x = device_x + device_width + COLUMN_GAP_PX
    y = MARGIN_PX + 2.0 * ROW_PX
    boxes: list[_Box] = []
    links: list[str] = []
    wires: dict[str, _Box] = {}
    wire_y = y
    for evse in picture.evses:
        head = _Box(MARGIN_PX, y, evse_width, _evse_texts(evse), "evse")
        boxes.append(head)
        for device in evse.devices:
            box = _Box(device_x, y, device_width, _device_texts(device), "simulated" if device.simulated else "device")
            boxes.append(box)
            links.append(_link(head.x + head.width, min(box.middle, head.y + head.height - 6), box.x, box.middle))
            for name in _ends(device):
                if name not in wires:
                    wires[name] = _Box(wire_x, max(y, wire_y), 0, _wire_texts(name, picture), "wire")
                    wire_y = wires[name].y + wires[name].height + GAP_PX
                links.append(_link(box.x + box.width, box.middle, wire_x, wires[name].middle))
            y += box.height + GAP_PX
        y = max(y, head.y + head.height + GAP_PX) + GAP_PX
    wire_width = _width([text for box in wires.values() for text in box.texts])
    for box in wires.values():
        box.width = wire_width
    width = wire_x + wire_width + MARGIN_PX if wires else device_x + device_width + MARGIN_PX
    title = picture.title + (" (simulated)" if picture.simulated else "")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{max(y, wire_y) + MARGIN_PX:.0f}">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<rect x="0" y="0" width="100%" height="100%" style="stroke: none"/>',
            f'<text class="head" x="{MARGIN_PX}" y="{MARGIN_PX + ROW_PX / 2:g}">{escape(title)}</text>',
            *links,
            *(element for box in [*boxes, *wires.values()] for element in box.svg()),
            "</svg>\n",
        ]
    )


def _width(texts: Iterable[str]) -> float:
    return 16 + CHAR_PX * max((len(text) for text in texts), default=0)


def _evse_texts(evse: EvsePicture) -> list[str]:
    return [f"EVSE {evse.evse_id}", *evse.title.split(", "), *evse.limits]


def _device_texts(device: DevicePicture) -> list[str]:
    return [f"{device.name}: {device.driver}", *device.details]


def _ends(device: DevicePicture) -> tuple[str, ...]:
    """What a device's lines end at: the line it shares, or each thing it has for itself."""
    return (device.line,) if device.line else device.wires


def _wire_texts(name: str, picture: BoardPicture) -> list[str]:
    shared = next((line for line in picture.lines if line.name == name), None)
    return [name, *([shared.parameters] if shared and shared.parameters else []), *(shared.users if shared else ())]


def _link(from_x: float, from_y: float, to_x: float, to_y: float) -> str:
    middle = (from_x + to_x) / 2
    return f'<path d="M {from_x:g} {from_y:g} C {middle:g} {from_y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"/>'
