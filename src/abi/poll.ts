// Events of poll(2). Linux: include/uapi/asm-generic/poll.h.

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;
/** As POLLIN and POLLOUT, for those who ask by these names. */
export const POLLRDNORM = 0x40;
export const POLLWRNORM = 0x100;
