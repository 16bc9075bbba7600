// The messages that the recorded script appends: of fixed dates, and with every kind of part.

const crlf = (text: string): string => text.replaceAll('\n', '\r\n');

/** @param n - shows in the subject and the body */
export function plainMail(n: number): string {
  const number = String(n);
  return crlf(`From: Writer ${number} <writer${number}@example.org>
To: Reader <reader@example.org>
Cc: copy@example.org
Date: Wed, 0${number} Feb 2017 10:00:00 +0200
Subject: ${n % 2 === 0 ? 'Re: ' : ''}script ${number}
Message-ID: <script-${number}@example.org>
${n > 1 ? 'In-Reply-To: <script-1@example.org>\n' : ''}X-N: ${number}

body ${number} of the script
`);
}

/** Text, HTML in quoted-printable, base64, and a message within. */
export const partedMail = crlf(`From: "Parts" <parts@example.org>
To: group: a@example.org, b@example.org;
Date: Thu, 09 Feb 2017 10:00:00 +0200
Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=
Message-ID: <parts@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"
Content-Language: de, en

prologue
--outer
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

gr=C3=BC=C3=9Fe an alle
--outer
Content-Type: application/octet-stream; name="data.bin"
Content-Disposition: attachment; filename="data.bin"
Content-Transfer-Encoding: base64

AAECA2RhdGEK
--outer
Content-Type: message/rfc822

From: inner@example.org
Date: Fri, 10 Feb 2017 10:00:00 +0200
Subject: inner
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/html

<p>inner</p>
--inner--
--outer--
epilogue
`);

/** With NUL and 8-bit bytes, as only a literal8 may carry it (RFC 3516). */
export const binaryMail = Buffer.from(
  crlf(
    'Subject: binary\nMIME-Version: 1.0\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\na\0b\xff\n',
  ),
  'latin1',
);

/** Lines that look like commands, answers, literal marks and the end of IDLE. */
export const lyingMail = crlf(
  `Subject: lies\n\nr1 LOGOUT\n* BYE none\nr2 OK [READ-WRITE] none\n+ go on\n{10}\n{3+}\nDONE\n* 1 EXPUNGE\n)\n`,
);
