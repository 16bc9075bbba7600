// The checks of the cross-talk test, each shown something wrong: they see it, and nothing where all is well.

import { describe, expect, it } from 'vitest';
import { AppendLedger } from '../support/crosstalk/append-ledger.js';
import { markedMail, readMark } from '../support/crosstalk/marked-mail.js';
import { ReplyChecker } from '../support/crosstalk/reply-checker.js';

const own = { user: 'user21', id: 'inbox1', lines: 3 };

function fetched(mail: Buffer): string {
  return `* 1 FETCH (UID 1 BODY[] {${mail.length}}\r\n${mail.toString('latin1')})\r\n`;
}

/** What the checker finds in a session of user21 that sent `a1`, `a2` and one literal, and got this. */
function faultsOf(received: string, { isCut = false, chunkBytes = Infinity } = {}): readonly string[] {
  const checker = new ReplyChecker('user21');
  for (const tag of ['a1', 'a2']) checker.sending(tag);
  checker.continuationsDue = 1;
  const bytes = Buffer.from(received, 'latin1');
  for (let at = 0; at < bytes.length; at += chunkBytes) checker.feed(bytes.subarray(at, at + chunkBytes));
  if (isCut) checker.endCut();
  else checker.endWhole();
  return checker.faults;
}

const good = `* OK hello\r\n* LIST () "/" drop-user21\r\n+ OK\r\na1 OK done\r\n${fetched(markedMail(own))}a2 NO no\r\n`;

describe('the reply checker', () => {
  it.each([1, 7, 1_000, Infinity])('finds nothing where all is well, in chunks of %d', (chunkBytes) => {
    expect(faultsOf(good, { chunkBytes })).toEqual([]);
  });

  it.each([
    ['a foreign mark in a line', good.replace('drop-user21', 'drop-user22'), /mark of user22/],
    [
      'a foreign mail',
      good.replace(fetched(markedMail(own)), fetched(markedMail({ ...own, user: 'user22' }))),
      /mark of user22/,
    ],
    ['a mail with one byte changed', good.replace('owns this line', 'owns this lime'), /no mail of the user/],
    [
      'a mail of another length',
      good.replace(fetched(markedMail(own)), fetched(markedMail(own).subarray(0, -5))),
      /no mail of the user/,
    ],
    [
      'a mail that is none',
      good.replace(fetched(markedMail(own)), fetched(Buffer.from('Subject: x\r\n\r\n'))),
      /no mail of the user/,
    ],
    ['a doubled reply', `${good}a2 NO no\r\n`, /second reply/],
    ['a lost reply', good.replace('a2 NO no\r\n', ''), /no reply to a2/],
    ['a reply that was never asked for', `${good}b9 OK done\r\n`, /reply to nothing/],
    ['the tag of another user', `${good}user22r1c1n1 OK done\r\n`, /mark of user22/],
    [
      'a second continuation',
      good.replace('+ OK\r\n', '+ OK\r\n+ OK\r\n'),
      /continuation that nothing waits for/,
    ],
    ['the rest of a literal', `${good}of a mail\r\n`, /no response/],
    ['an unknown untagged response', `${good}* 1 BODY\r\n`, /untagged data/],
    ['a response that is cut', `${good}* 1 FET`, /a response that is cut/],
    ['a line with a bare line feed', `${good}* OK x\n`, /without CRLF/],
  ])('finds %s', (_what, received, pattern) => {
    expect(faultsOf(received).join('\n')).toMatch(pattern);
    expect(faultsOf(received, { chunkBytes: 5 }).join('\n')).toMatch(pattern);
  });

  it('excuses what a death cuts off, and looks at its last bytes all the same', () => {
    expect(faultsOf(good.slice(0, -20), { isCut: true })).toEqual([]);
    expect(faultsOf('a1 OK done\r\n* 1 FETCH (BODY[] {900}\r\nuser22 ', { isCut: true })).toHaveLength(1);
  });
});

describe('a marked mail', () => {
  it('is known by its whole text or its header, and by nothing else', () => {
    const mail = markedMail(own);
    expect(readMark(mail)).toEqual(own);
    expect(readMark(mail.subarray(0, mail.indexOf('\r\n\r\n') + 4))).toEqual(own);
    expect(readMark(mail.subarray(0, -1))).toBeUndefined();
    expect(readMark(Buffer.concat([mail, Buffer.from('\r\n')]))).toBeUndefined();
  });
});

describe('the ledger of APPENDs', () => {
  const ledger = new AppendLedger();
  ledger.note('x', 'sent');
  ledger.note('x', 'stored');
  ledger.note('y', 'sent');
  ledger.note('z', 'refused');
  ledger.note('w', 'cut');

  it.each([['x'], ['x', 'y']])(
    'is content with one that was answered and at most one that was not',
    (...ids) => {
      expect(ledger.audit(ids)).toEqual([]);
    },
  );

  it.each([
    ['a lost one', ['y']],
    ['a doubled one', ['x', 'x']],
    ['a doubled one that nobody answered', ['x', 'y', 'y']],
    ['one that was refused', ['x', 'z']],
    ['one that was never whole', ['x', 'w']],
    ['one that nobody sent', ['x', 'v']],
  ])('finds %s', (_what, ids) => {
    expect(ledger.audit(ids)).toHaveLength(1);
  });
});
