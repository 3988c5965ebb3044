#!/usr/bin/env bash
# rocksdb.sh OUT: compiles the RocksDB that the crate librocksdb-sys carries into the archive OUT.
#
# The crate's own build script compiles 340 files one by one, and spends most of its time on the same
# headers. Here some forty files at a time are one compilation unit, which RocksDB's own continuous
# integration keeps possible ("unity build"). Sources, macros and flags are those of the crate's build
# script, so what is linked behaves as if Cargo had built it.
set -euo pipefail
out=$1
per_unit=${PER_UNIT:-43}
# Where Cargo keeps the sources of a crate.
source_of() {
  cargo metadata --locked --format-version 1 | tr ',' '\n' |
    sed -n "s|^\"manifest_path\":\"\(.*/$1-[0-9][^/]*\)/Cargo.toml\"\$|\1|p" | head -1
}
crate=$(source_of librocksdb-sys)
lz4=$(source_of lz4-sys)
[ -n "$crate" ] && [ -n "$lz4" ] || { echo "rocksdb.sh: the crate's sources are not there" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -O2 -ffunction-sections -fdata-sections -fPIC -include cstdint -w
  -I"$crate/rocksdb/include" -I"$crate/rocksdb" -I"$crate" -I"$lz4/liblz4/lib"
  -DNDEBUG=1 -DLZ4=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
  -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
  -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT)
[ "$(uname -m)" != x86_64 ] || flags+=(-msse2)
{ grep -v '^util/build_version.cc' "$crate/rocksdb_lib_sources.txt" | sed "s|^|$crate/rocksdb/|"
  echo "$crate/build_version.cc"; } | sed 's|.*|#include "&"|' |
  split -l "$per_unit" -d -a 3 --additional-suffix=.cc - "$work/unit"
ls "$work"/unit*.cc | xargs -P "$(nproc)" -I{} "${CXX:-c++}" "${flags[@]}" -c {} -o {}.o
rm -f "$out"
ar rcs "$out" "$work"/*.o
