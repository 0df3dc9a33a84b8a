# A tree of the host's, for tests of archives: `make DIRECTORY` makes one that has something of
# everything, `tell DIRECTORY` tells a tree as JSON, `unzip FILE DIRECTORY` unpacks with zipfile,
# `zip FILE DIRECTORY NAME…` packs, `count FILE` counts its entries.

import base64
import hashlib
import json
import os
import stat
import sys
import zipfile


def make(root):
    os.umask(0)
    at = lambda *parts: os.path.join(root, *parts)
    put = lambda path, data: open(path, "wb").write(data)
    os.mkdir(at("dir"))
    put(at("dir", "file"), b"text\n")
    put(at("dir", "empty"), b"")
    put(at("large"), bytes(range(256)) * 8000)
    put(at("exactly-a-block"), b"x" * 512)
    put(at("grüße 😀"), b"utf-8")
    put(at("new\nline = %3D"), b"odd")
    deep = at("d" * 60, "e" * 70, "f" * 80)
    os.makedirs(deep)
    put(os.path.join(deep, "g" * 200), b"long")
    put(at("p" * 150), b"long")
    os.link(at("dir", "file"), at("again"))
    os.link(at("dir", "file"), os.path.join(deep, "h" * 120))
    os.symlink("dir/file", at("link"))
    os.symlink("/nowhere/" + "t" * 200, at("dangling"))
    os.mkfifo(at("fifo"), 0o640)
    os.mknod(at("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(at("disk"), stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    put(at("set-id"), b"#!")
    os.chown(at("set-id"), 1000, 5000000)
    os.chmod(at("set-id"), 0o6755)
    os.mkdir(at("sticky"))
    os.chmod(at("sticky"), 0o1777)
    os.mkdir(at("closed"))
    put(at("closed", "secret"), b"s")
    os.lchown(at("link"), 12, 34)
    os.setxattr(at("dir", "file"), "user.text", b"blue")
    os.setxattr(at("dir", "file"), "user.a=b%", b"\x00\xff\n\x80=")
    os.setxattr(at("dir"), "user.of-dir", b"d" * 3000)
    os.setxattr(at("dir"), "user.empty", b"")
    times = 1_000_000_000_123_456_789
    for path, dirs, files in os.walk(root, topdown=False):
        for name in sorted(dirs + files):
            times += 1_000_000_001
            target = os.path.join(path, name)
            os.utime(target, ns=(times + 5, times), follow_symlinks=False)
    os.utime(at("dir", "empty"), ns=(0, -1_500_000_000))
    os.utime(at("fifo"), ns=(0, 20_000_000_000_000_000_000 // 2))
    os.chmod(at("closed"), 0o500)
    os.utime(at("closed"), ns=(7, 77))
    os.chmod(root, 0o750)
    os.utime(root, ns=(1, 2_000_000_003))


def tell(root):
    entries = {}
    def visit(path, name):
        found = os.lstat(path)
        entry = {
            "mode": found.st_mode, "uid": found.st_uid, "gid": found.st_gid,
            "mtime": str(found.st_mtime_ns), "nlink": found.st_nlink, "ino": found.st_ino,
        }
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                entry["hash"] = hashlib.sha256(file.read()).hexdigest()
        if kind == stat.S_IFLNK:
            entry["target"] = os.readlink(path)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            entry["rdev"] = [os.major(found.st_rdev), os.minor(found.st_rdev)]
        names = os.listxattr(path, follow_symlinks=False)
        entry["xattrs"] = {
            key: base64.b64encode(os.getxattr(path, key, follow_symlinks=False)).decode()
            for key in sorted(names) if key.startswith("user.")
        }
        entries[name] = entry
        if kind == stat.S_IFDIR:
            for child in os.listdir(path):
                visit(os.path.join(path, child), child if name == "." else name + "/" + child)
    visit(root, ".")
    json.dump(entries, sys.stdout)


def unzip(file, root):
    with zipfile.ZipFile(file) as archive:
        if archive.testzip() is not None:
            sys.exit("damaged")
        archive.extractall(root)


def zip_up(file, root, *names):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name in names:
            archive.write(os.path.join(root, name), name)


def count(file):
    with zipfile.ZipFile(file) as archive:
        sys.stdout.write(str(len(archive.infolist())))


{"make": make, "tell": tell, "unzip": unzip, "zip": zip_up, "count": count}[sys.argv[1]](*sys.argv[2:])
