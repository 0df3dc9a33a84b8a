// Events of poll(2). Linux: include/uapi/asm-generic/poll.h.

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;
