// A CSMS on ocpp-rpc (Node.js), for one station on loopback: every message both ways is checked against the schemas
// that package carries, by its own validator. It says what it hears, and does what it is told, as JSON lines:
//   stdout  {"listening": port} | {"connected": bool} | {"heard": action, "payload": {...}} | {"bad": "..."}
//           | {"reply": id, "result": {...}} | {"reply": id, "error": "Code"}
//   stdin   {"id": id, "call": action, "payload": {...}} | {"close": true}

'use strict';

const readline = require('readline');
const {RPCServer, createRPCError} = require('ocpp-rpc');

const PROTOCOL = 'ocpp2.0.1';
const password = process.argv[2];

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const now = () => new Date().toISOString();

const verdict = (token) => ({status: token.idToken === '04DEADBE' ? 'Blocked' : 'Accepted'});

const ANSWERS = {
    BootNotification: () => ({currentTime: now(), interval: 300, status: 'Accepted'}),
    Heartbeat: () => ({currentTime: now()}),
    Authorize: ({idToken}) => ({idTokenInfo: verdict(idToken)}),
    TransactionEvent: ({idToken}) => (idToken ? {idTokenInfo: verdict(idToken)} : {}),
    DataTransfer: () => ({status: 'UnknownVendorId'}),
};

const NOTED = [
    'StatusNotification', 'MeterValues', 'NotifyReport', 'NotifyEvent', 'SecurityEventNotification',
    'ReservationStatusUpdate', 'ReportChargingProfiles', 'NotifyChargingLimit', 'ClearedChargingLimit',
    'FirmwareStatusNotification', 'LogStatusNotification',
];

const server = new RPCServer({protocols: [PROTOCOL], strictMode: true});
let station = null;

server.auth((accept, reject, {password: given}) => {
    if (given && given.toString('utf8') === password) {
        accept({}, PROTOCOL);
    } else {
        reject(401, 'wrong credentials');
    }
});

server.on('client', (client) => {
    station = client;
    say({connected: true});
    client.on('strictValidationFailure', ({method, error}) => say({bad: `${method}: ${error.message}`}));
    client.on('badMessage', ({error}) => say({bad: String(error.message)}));
    client.on('close', () => {
        if (station === client) {
            station = null;
            say({connected: false});
        }
    });
    const handle = (action, answer) => client.handle(action, ({params}) => {
        say({heard: action, payload: params});
        return answer(params);
    });
    Object.entries(ANSWERS).forEach(([action, answer]) => handle(action, answer));
    NOTED.forEach((action) => handle(action, () => ({})));
    client.handle(({method}) => {
        say({bad: `${method} was not expected`});
        throw createRPCError('NotImplemented');
    });
});

readline.createInterface({input: process.stdin}).on('line', async (line) => {
    const {id, call, payload, close} = JSON.parse(line);
    try {
        if (close) {
            await station.close({code: 1001, reason: 'going away'});
        } else {
            say({reply: id, result: await station.call(call, payload)});
        }
    } catch (error) {
        say({reply: id, error: error.rpcErrorCode || String(error.message)});
    }
}).on('close', () => process.exit(0));

server.listen(0, '127.0.0.1').then((http) => say({listening: http.address().port}));
