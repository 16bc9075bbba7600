import { expect, test } from 'vitest';
import { readResponseCode } from '../../../src/wire/response-code.js';

test.each([
  ['a OK done\r\n', '', 'done'],
  ['a NO [AUTHENTICATIONFAILED] Wrong\r\n', 'AUTHENTICATIONFAILED', 'Wrong'],
  ['a NO [UNAVAILABLE] Temporary. [host:2026]\r\n', 'UNAVAILABLE', 'Temporary. [host:2026]'],
  ['* BYE [limit] Too many\r\n', 'limit', 'Too many'],
  ['a OK [CAPABILITY IMAP4rev1 IDLE] in\r\n', 'CAPABILITY IMAP4rev1 IDLE', 'in'],
  ['a NO [ALERT]\r\n', 'ALERT', ''],
  ['a NO\r\n', '', ''],
  ['a NO text [LIMIT] later\r\n', '', 'text [LIMIT] later'],
  ['a NO [open\r\n', '', '[open'],
  ['a NO [] empty\r\n', '', 'empty'],
  ['a no without line end', '', 'without line end'],
  ['', '', ''],
])('%j has the code %j and the text %j', (line, code, text) => {
  expect(readResponseCode(line)).toEqual({ code, text });
});
