// Linux error numbers ↔ WASI preview1 error numbers. Exhaustive both ways: a missing row is a type
// error. WASI: preview1 witx, typename $errno.

import { wasi } from '@bjorn3/browser_wasi_shim';
import type { LinuxError } from '../abi/errno.ts';
import { type ErrnoName, linuxerr } from '../abi/errno.ts';

const TO_WASI: Readonly<Record<ErrnoName, number>> = {
  EPERM: wasi.ERRNO_PERM,
  ENOENT: wasi.ERRNO_NOENT,
  ESRCH: wasi.ERRNO_SRCH,
  EINTR: wasi.ERRNO_INTR,
  EIO: wasi.ERRNO_IO,
  ENXIO: wasi.ERRNO_NXIO,
  E2BIG: wasi.ERRNO_2BIG,
  ENOEXEC: wasi.ERRNO_NOEXEC,
  EBADF: wasi.ERRNO_BADF,
  ECHILD: wasi.ERRNO_CHILD,
  EAGAIN: wasi.ERRNO_AGAIN,
  ENOMEM: wasi.ERRNO_NOMEM,
  EACCES: wasi.ERRNO_ACCES,
  EFAULT: wasi.ERRNO_FAULT,
  EBUSY: wasi.ERRNO_BUSY,
  EEXIST: wasi.ERRNO_EXIST,
  EXDEV: wasi.ERRNO_XDEV,
  ENODEV: wasi.ERRNO_NODEV,
  ENOTDIR: wasi.ERRNO_NOTDIR,
  EISDIR: wasi.ERRNO_ISDIR,
  EINVAL: wasi.ERRNO_INVAL,
  ENFILE: wasi.ERRNO_NFILE,
  EMFILE: wasi.ERRNO_MFILE,
  ENOTTY: wasi.ERRNO_NOTTY,
  ETXTBSY: wasi.ERRNO_TXTBSY,
  EFBIG: wasi.ERRNO_FBIG,
  ENOSPC: wasi.ERRNO_NOSPC,
  ESPIPE: wasi.ERRNO_SPIPE,
  EROFS: wasi.ERRNO_ROFS,
  EMLINK: wasi.ERRNO_MLINK,
  EPIPE: wasi.ERRNO_PIPE,
  EDOM: wasi.ERRNO_DOM,
  ERANGE: wasi.ERRNO_RANGE,
  EDEADLK: wasi.ERRNO_DEADLK,
  ENAMETOOLONG: wasi.ERRNO_NAMETOOLONG,
  ENOLCK: wasi.ERRNO_NOLCK,
  ENOSYS: wasi.ERRNO_NOSYS,
  ENOTEMPTY: wasi.ERRNO_NOTEMPTY,
  ELOOP: wasi.ERRNO_LOOP,
  ENOMSG: wasi.ERRNO_NOMSG,
  EIDRM: wasi.ERRNO_IDRM,
  // WASI has no extended attributes; ENODATA is what reading a missing one gives.
  ENODATA: wasi.ERRNO_NOENT,
  ENOLINK: wasi.ERRNO_NOLINK,
  EPROTO: wasi.ERRNO_PROTO,
  EMULTIHOP: wasi.ERRNO_MULTIHOP,
  EBADMSG: wasi.ERRNO_BADMSG,
  EOVERFLOW: wasi.ERRNO_OVERFLOW,
  EILSEQ: wasi.ERRNO_ILSEQ,
  ENOTSOCK: wasi.ERRNO_NOTSOCK,
  EDESTADDRREQ: wasi.ERRNO_DESTADDRREQ,
  EMSGSIZE: wasi.ERRNO_MSGSIZE,
  EPROTOTYPE: wasi.ERRNO_PROTOTYPE,
  ENOPROTOOPT: wasi.ERRNO_NOPROTOOPT,
  EPROTONOSUPPORT: wasi.ERRNO_PROTONOSUPPORT,
  EOPNOTSUPP: wasi.ERRNO_NOTSUP,
  EAFNOSUPPORT: wasi.ERRNO_AFNOSUPPORT,
  EADDRINUSE: wasi.ERRNO_ADDRINUSE,
  EADDRNOTAVAIL: wasi.ERRNO_ADDRNOTAVAIL,
  ENETDOWN: wasi.ERRNO_NETDOWN,
  ENETUNREACH: wasi.ERRNO_NETUNREACH,
  ENETRESET: wasi.ERRNO_NETRESET,
  ECONNABORTED: wasi.ERRNO_CONNABORTED,
  ECONNRESET: wasi.ERRNO_CONNRESET,
  ENOBUFS: wasi.ERRNO_NOBUFS,
  EISCONN: wasi.ERRNO_ISCONN,
  ENOTCONN: wasi.ERRNO_NOTCONN,
  ETIMEDOUT: wasi.ERRNO_TIMEDOUT,
  ECONNREFUSED: wasi.ERRNO_CONNREFUSED,
  EHOSTUNREACH: wasi.ERRNO_HOSTUNREACH,
  EALREADY: wasi.ERRNO_ALREADY,
  EINPROGRESS: wasi.ERRNO_INPROGRESS,
  ESTALE: wasi.ERRNO_STALE,
  EREMOTEIO: wasi.ERRNO_IO,
  EDQUOT: wasi.ERRNO_DQUOT,
  ECANCELED: wasi.ERRNO_CANCELED,
  EOWNERDEAD: wasi.ERRNO_OWNERDEAD,
  ENOTRECOVERABLE: wasi.ERRNO_NOTRECOVERABLE,
  ENOTCAPABLE: wasi.ERRNO_NOTCAPABLE,
};

/** Of several Linux errors with one WASI number, the one it stands for. */
const FROM_WASI = new Map<number, LinuxError>(
  (Object.entries(TO_WASI) as [ErrnoName, number][])
    .filter(([name]) => name !== 'ENODATA' && name !== 'EREMOTEIO')
    .map(([name, number]) => [number, linuxerr[name]]),
);

export function wasiErrnoOf(error: LinuxError): number {
  return TO_WASI[error.code];
}

/** The Linux error of a WASI number; undefined for success and for numbers WASI doesn't have. */
export function linuxErrorOf(wasiErrno: number): LinuxError | undefined {
  return FROM_WASI.get(wasiErrno);
}
