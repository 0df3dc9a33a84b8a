// Credentials: whose rights a task acts with. Mirrors gVisor pkg/sentry/kernel/auth/credentials.go.
// Capabilities are not divided: uid 0 has all of them, everyone else none.

/** "No change" in chown(2). */
export const NO_ID = 0xffff_ffff;

export class Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups: ReadonlySet<number>;
  /**
   * CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_CHOWN, CAP_FSETID, CAP_MKNOD at once.
   */
  readonly isPrivileged: boolean;

  constructor(uid: number, gid: number, groups: Iterable<number> = []) {
    this.uid = uid;
    this.gid = gid;
    this.groups = new Set(groups);
    this.isPrivileged = uid === 0;
  }

  inGroup(gid: number): boolean {
    return gid === this.gid || this.groups.has(gid);
  }
}

export const ROOT_CREDENTIALS = new Credentials(0, 0);
