// Owns the process of the embedded IMAP server: hoodiecrow-imap on a free port, with mail and a password hash per user.
import process from 'node:process';
import hoodiecrow from 'hoodiecrow-imap';
import { storageOf, users } from './mailboxes.mjs';
import { hashOf, hashSyncOf } from './password-hash.mjs';

// Without UNSELECT no connection could be reset (hoodiecrow answers EXAMINE of a missing mailbox with BAD).
const plugins = ['ID', 'NAMESPACE', 'UNSELECT', 'IDLE', 'UIDPLUS', 'SPECIAL-USE', 'LITERALPLUS'];

// One hoodiecrow has one set of folders for everybody. So each user has one of his own, which never listens, and a
// connection moves there when it has logged in.
const homes = new Map(
  users.map(({ name }) => [name, withoutListenerLimit(hoodiecrow({ plugins, storage: storageOf(name) }))]),
);

const front = withoutListenerLimit(
  hoodiecrow({
    plugins: [...plugins, hashThenMoveHome],
    users: Object.fromEntries(
      users.map(({ name, password }) => [name, { password: hashSyncOf(name, password) }]),
    ),
    storage: { INBOX: {}, '': { separator: '/' } },
  }),
);

/** A hoodiecrow plugin: its own LOGIN compares hashes instead of passwords, and connections find their mail. */
function hashThenMoveHome(server) {
  const login = server.getCommandHandler('LOGIN');
  server.setCommandHandler('LOGIN', (connection, parsed, data, done) => {
    const [name, password] = parsed.attributes ?? [];
    if (typeof name?.value !== 'string' || typeof password?.value !== 'string') {
      login(connection, parsed, data, done);
      return;
    }
    hashOf(name.value, password.value, (hash) => {
      password.value = hash;
      login(connection, parsed, data, () => {
        const isHere = connection.socket && connection.state === 'Authenticated';
        if (isHere) moveTo(homes.get(name.value), connection);
        done();
      });
    });
  });
}

function moveTo(home, connection) {
  connection.server.removeListener('notify', connection._notificationCallback);
  connection.server = home;
  home.on('notify', connection._notificationCallback);
}

/** Each connection is a listener of its hoodiecrow; more than ten are no leak. */
function withoutListenerLimit(server) {
  return server.setMaxListeners(0);
}

let connections = 0;
front.server.on('connection', (socket) => {
  connections += 1;
  // hoodiecrow writes each line by itself. Without this, Nagle's algorithm and the peer's delayed acknowledgement
  // cost 40 ms for every answer of two lines or more, which is why it passes for a slow server.
  socket.setNoDelay(true);
});
front.server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
front.listen(0, '127.0.0.1', () => tell({ port: front.server.address().port }));

process.on('message', () => tell({ connections }));
// Ctrl-C reaches every process of the terminal; this one stays until the demo, which needs it last, ends it.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

/** To the demo, which started this process with a channel. */
function tell(message) {
  process.send?.(message);
}
