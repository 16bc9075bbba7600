// Owns who has mail in the demo, and what it is: every user's messages name that user, so that a mix-up would show.

const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy'];

/** One for all: it is a demo on the loopback interface. */
export const password = 'demo';

export const users = names.map((name) => ({ name, password }));

export const messagesPerUser = 12;

const subjects = ['Minutes of Monday', 'Invoice', 'Lunch?', 'Re: Lunch?', 'Build is green', 'Your order'];

/** What stands in every message of this user, and in nobody else's. */
export function markOf(name) {
  return `for ${name}`;
}

/** A user's folders, in the form that hoodiecrow-imap wants. */
export function storageOf(name) {
  return {
    INBOX: { messages: Array.from({ length: messagesPerUser }, (_, n) => messageOf(name, n)) },
    '': {
      separator: '/',
      folders: {
        Drafts: { 'special-use': '\\Drafts' },
        Sent: { 'special-use': '\\Sent' },
        Trash: { 'special-use': '\\Trash' },
        [`Notes of ${name}`]: {},
      },
    },
  };
}

function messageOf(name, n) {
  const sender = names[(names.indexOf(name) + n + 1) % names.length];
  const day = String(n + 1).padStart(2, '0');
  return {
    raw: [
      `From: ${sender} <${sender}@demo.example>`,
      `To: ${name} <${name}@demo.example>`,
      `Subject: ${subjects[n % subjects.length]} (${markOf(name)})`,
      `Message-Id: <${n}.${name}@demo.example>`,
      `Date: Tue, ${day} Jul 2025 09:00:00 +0000`,
      'Content-Type: text/plain; charset=us-ascii',
      '',
      `Hello ${name}, this is message ${n + 1} of ${messagesPerUser} in the demo of ImapBouncer.`,
    ].join('\r\n'),
    internaldate: `${day}-Jul-2025 09:00:00 +0000`,
    flags: n % 3 === 0 ? [] : ['\\Seen'],
  };
}
