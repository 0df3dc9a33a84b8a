// A certificate that signs itself, with a new key: for servers of TLS in tests. X.509 as DER, which
// Node can read but not write: RFC 5280, section 4.1.

import { generateKeyPairSync, sign } from 'node:crypto';

const [INTEGER, BIT_STRING, OBJECT_ID, UTF8_STRING, UTC_TIME] = [0x02, 0x03, 0x06, 0x0c, 0x17];
const [OCTET_STRING, SEQUENCE, SET, VERSION, EXTENSIONS] = [0x04, 0x30, 0x31, 0xa0, 0xa3];
/** In a SubjectAltName. */
const IP_ADDRESS = 0x87;

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const bits = (content: Uint8Array): Buffer => der(BIT_STRING, bytes(0), content);
const objectId = (values: number[]): Buffer => der(OBJECT_ID, Buffer.from(values));

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

export interface SelfSigned {
  /** In PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Of 127.0.0.1, until 2049. */
export function makeSelfSigned(): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = der(SEQUENCE, objectId(ECDSA_WITH_SHA256));
  const name = der(UTF8_STRING, Buffer.from('burrow test'));
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, objectId(COMMON_NAME), name)));
  const time = (text: string): Buffer => der(UTC_TIME, Buffer.from(text));
  const altNames = der(SEQUENCE, der(IP_ADDRESS, bytes(127, 0, 0, 1)));
  const extension = der(SEQUENCE, objectId(SUBJECT_ALT_NAME), der(OCTET_STRING, altNames));
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, bytes(2))),
    der(INTEGER, bytes(1)),
    algorithm,
    subject,
    der(SEQUENCE, time('200101000000Z'), time('491231235959Z')),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXTENSIONS, der(SEQUENCE, extension)),
  );
  const certificate = der(SEQUENCE, body, algorithm, bits(sign('sha256', body, privateKey)));
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
