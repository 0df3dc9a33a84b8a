// Linux error numbers and the errors that carry them.
// Linux: include/uapi/asm-generic/errno-base.h, errno.h. Mirrors gVisor pkg/errors/linuxerr.
//
// An expected failure is thrown as the one frozen LinuxError of its number and compared by
// identity: throwing an object that is there already costs a tenth of making a new Error.

/** Name → [number, meaning]. */
const ERRNO_TABLE = {
  EPERM: [1, 'operation not permitted'],
  ENOENT: [2, 'no such file or directory'],
  ESRCH: [3, 'no such process'],
  EINTR: [4, 'interrupted system call'],
  EIO: [5, 'i/o error'],
  ENXIO: [6, 'no such device or address'],
  E2BIG: [7, 'argument list too long'],
  ENOEXEC: [8, 'exec format error'],
  EBADF: [9, 'bad file descriptor'],
  ECHILD: [10, 'no child processes'],
  EAGAIN: [11, 'resource temporarily unavailable'],
  ENOMEM: [12, 'not enough memory'],
  EACCES: [13, 'permission denied'],
  EFAULT: [14, 'bad address in system call argument'],
  EBUSY: [16, 'resource busy or locked'],
  EEXIST: [17, 'file already exists'],
  EXDEV: [18, 'cross-device link not permitted'],
  ENODEV: [19, 'no such device'],
  ENOTDIR: [20, 'not a directory'],
  EISDIR: [21, 'illegal operation on a directory'],
  EINVAL: [22, 'invalid argument'],
  ENFILE: [23, 'file table overflow'],
  EMFILE: [24, 'too many open files'],
  ENOTTY: [25, 'inappropriate ioctl for device'],
  ETXTBSY: [26, 'text file is busy'],
  EFBIG: [27, 'file too large'],
  ENOSPC: [28, 'no space left on device'],
  ESPIPE: [29, 'invalid seek'],
  EROFS: [30, 'read-only file system'],
  EMLINK: [31, 'too many links'],
  EPIPE: [32, 'broken pipe'],
  EDOM: [33, 'argument out of domain'],
  ERANGE: [34, 'result too large'],
  EDEADLK: [35, 'resource deadlock would occur'],
  ENAMETOOLONG: [36, 'name too long'],
  ENOLCK: [37, 'no locks available'],
  ENOSYS: [38, 'function not implemented'],
  ENOTEMPTY: [39, 'directory not empty'],
  ELOOP: [40, 'too many symbolic links encountered'],
  ENOMSG: [42, 'no message of the desired type'],
  EIDRM: [43, 'identifier removed'],
  ENODATA: [61, 'no data available'],
  ENOLINK: [67, 'link has been severed'],
  EPROTO: [71, 'protocol error'],
  EMULTIHOP: [72, 'multihop attempted'],
  EBADMSG: [74, 'bad message'],
  EOVERFLOW: [75, 'value too large for defined data type'],
  EILSEQ: [84, 'illegal byte sequence'],
  ENOTSOCK: [88, 'socket operation on non-socket'],
  EDESTADDRREQ: [89, 'destination address required'],
  EMSGSIZE: [90, 'message too long'],
  EPROTOTYPE: [91, 'protocol wrong type for socket'],
  ENOPROTOOPT: [92, 'protocol not available'],
  EPROTONOSUPPORT: [93, 'protocol not supported'],
  EOPNOTSUPP: [95, 'operation not supported'],
  EAFNOSUPPORT: [97, 'address family not supported'],
  EADDRINUSE: [98, 'address already in use'],
  EADDRNOTAVAIL: [99, 'address not available'],
  ENETDOWN: [100, 'network is down'],
  ENETUNREACH: [101, 'network is unreachable'],
  ENETRESET: [102, 'connection reset by network'],
  ECONNABORTED: [103, 'software caused connection abort'],
  ECONNRESET: [104, 'connection reset by peer'],
  ENOBUFS: [105, 'no buffer space available'],
  EISCONN: [106, 'socket is already connected'],
  ENOTCONN: [107, 'socket is not connected'],
  ETIMEDOUT: [110, 'connection timed out'],
  ECONNREFUSED: [111, 'connection refused'],
  EHOSTUNREACH: [113, 'host is unreachable'],
  EALREADY: [114, 'connection already in progress'],
  EINPROGRESS: [115, 'operation in progress'],
  ESTALE: [116, 'stale file handle'],
  EREMOTEIO: [121, 'remote i/o error'],
  EDQUOT: [122, 'disk quota exceeded'],
  ECANCELED: [125, 'operation canceled'],
  EOWNERDEAD: [130, 'owner died'],
  ENOTRECOVERABLE: [131, 'state not recoverable'],
  // Ours, in the range Linux keeps for the kernel's own use (ERESTARTSYS is 512): only WASI sees
  // it.
  ENOTCAPABLE: [526, 'path leads out of the directory it must stay beneath'],
} as const;

export type ErrnoName = keyof typeof ERRNO_TABLE;

/** An expected failure of a system call. */
export class LinuxError extends Error {
  override readonly name = 'LinuxError';
  readonly code: ErrnoName;
  /** Positive Linux error number. */
  readonly errno: number;

  constructor(code: ErrnoName) {
    const [errno, meaning] = ERRNO_TABLE[code];
    super(`${code}: ${meaning}`);
    this.code = code;
    this.errno = errno;
    // The stack would be that of module loading: misleading, so there is none.
    this.stack = `LinuxError: ${this.message}`;
  }

  /** What the number means, as Node prints it. */
  get meaning(): string {
    return ERRNO_TABLE[this.code][1];
  }
}

const names = Object.keys(ERRNO_TABLE) as ErrnoName[];

/** The error of each number: `throw linuxerr.ENOENT`. */
export const linuxerr = Object.freeze(
  Object.fromEntries(names.map((name) => [name, Object.freeze(new LinuxError(name))])),
) as Readonly<Record<ErrnoName, LinuxError>>;

const byNumber = new Map(names.map((name) => [linuxerr[name].errno, linuxerr[name]]));

/** All errors, in the order of their numbers. */
export const allLinuxErrors: readonly LinuxError[] = [...byNumber.values()];

/** The error with a given positive number; EIO for a number that isn't one of Linux's. */
export function errorFromErrno(errno: number): LinuxError {
  return byNumber.get(errno) ?? linuxerr.EIO;
}
