/**
 * The file: one SQLite database. `meta` says what it is, `epochs` who was traced,
 * `chunks` hold the very bytes that came (chunks.ts). The other tables are there to be
 * asked with SQL and are not read by lastref: what they say follows from the chunks.
 * docs/formats.md has the history of the format.
 */

/** "lref" as PRAGMA application_id: file(1) and we know our own by it. */
export const APPLICATION_ID = 0x6c726566;

/** Times `_ns` are nanoseconds of the epoch, as everywhere in lastref. */
export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE epochs (number INTEGER PRIMARY KEY, info TEXT NOT NULL) STRICT;

CREATE TABLE chunks (
  seq INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL REFERENCES epochs (number),
  from_ms REAL NOT NULL, -- wall clock of the first and last frame
  to_ms REAL NOT NULL,
  bytes INTEGER NOT NULL, -- before compression
  events INTEGER NOT NULL, -- lines with a time
  frames BLOB NOT NULL,
  times BLOB
) STRICT;

-- What many rows share, once: filesystems by superblock, tasks by pid and comm.
CREATE TABLE superblocks (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  fs TEXT NOT NULL,
  dev INTEGER NOT NULL, -- major << 20 | minor
  UNIQUE (epoch, fs, dev)
) STRICT;
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  pid INTEGER NOT NULL,
  comm TEXT NOT NULL,
  UNIQUE (pid, comm)
) STRICT;

-- Every second of every filesystem: inodes that ended, all of them.
CREATE TABLE inode_counts (
  epoch INTEGER NOT NULL,
  second INTEGER NOT NULL, -- of the epoch
  fs TEXT NOT NULL,
  ended INTEGER NOT NULL, -- also those whose end fell into a gap
  lost INTEGER NOT NULL, -- those of them
  pages INTEGER NOT NULL, -- hugepages that they held at evict
  listed INTEGER NOT NULL, -- those of them in the table inodes
  PRIMARY KEY (epoch, second, fs)
) STRICT, WITHOUT ROWID;

-- Inodes that held hugepages, leaked, broke a rule or ended in a gap, and at the end of the
-- recording those that were still there. Where very many end, some of those that went
-- well are counted only: inode_counts tells how many.
CREATE TABLE inodes (
  id INTEGER PRIMARY KEY, -- epoch << 32 | number of the incarnation
  superblock INTEGER NOT NULL REFERENCES superblocks (id),
  ino INTEGER NOT NULL,
  task INTEGER NOT NULL REFERENCES tasks (id), -- who dropped the last reference
  state INTEGER NOT NULL, -- 0 ended, 1 lost in a gap, 2 open, 3 in evict, 4 grace period
  first_us INTEGER NOT NULL, -- first line about it, microseconds of the epoch
  evict_us INTEGER, -- after first_us; null: not seen
  end_us INTEGER NOT NULL, -- last line about it, after first_us
  pages INTEGER NOT NULL, -- hugepages in its page cache at evict, or now
  owed INTEGER -- that left its page cache and were not freed then; null: not observed
) STRICT;

-- Hugepages that were out of the pool and of any page cache for over a second, and at the
-- end of the recording those that were not in the pool.
CREATE TABLE hugepages (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  folio INTEGER NOT NULL, -- bits 3 to 55 of its address; 0: only the pfn is known
  pfn INTEGER,
  inode INTEGER, -- inodes.id, which may be counted only
  -- allocated, cached, removed (from the page cache), freed; unknown: lost in a gap
  state TEXT NOT NULL,
  since_ns INTEGER NOT NULL, -- of the state; of freed ones, when it left the page cache
  freed_ns INTEGER,
  extra_refs INTEGER -- references too many when it left the page cache
) STRICT;

CREATE TABLE alerts (
  epoch INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  active_ns INTEGER NOT NULL,
  alert TEXT NOT NULL, -- the alert's name
  severity TEXT NOT NULL,
  state TEXT NOT NULL, -- firing, resolved
  kind TEXT NOT NULL,
  verdict TEXT NOT NULL, -- certain, suspected
  fs TEXT NOT NULL,
  s_dev TEXT NOT NULL,
  ino INTEGER NOT NULL,
  inode INTEGER, -- inodes.id
  pages INTEGER NOT NULL,
  fired_ns INTEGER,
  resolved_ns INTEGER,
  text TEXT NOT NULL,
  PRIMARY KEY (epoch, fingerprint, active_ns)
) STRICT, WITHOUT ROWID;

-- Intervals in which something was lost.
CREATE TABLE losses (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  from_ns INTEGER NOT NULL,
  to_ns INTEGER, -- null: not over
  lost INTEGER NOT NULL,
  place TEXT NOT NULL, -- not_run, map_full, ring_buffer, rejected, tracer_down
  detail TEXT NOT NULL
) STRICT;

CREATE VIEW epoch_list AS
SELECT number AS epoch, info ->> 'host' AS host, info ->> 'kernel' AS kernel,
  info ->> 'bpftrace' AS bpftrace, info ->> 'boot_id' AS boot_id,
  datetime((info ->> 'started_ms') / 1000, 'unixepoch') AS started_utc,
  info ->> 'detail' AS detail
FROM epochs;

CREATE VIEW inode_list AS
SELECT s.epoch, i.id & 0xffffffff AS number, s.fs,
  (s.dev >> 20) || ':' || (s.dev & 0xfffff) AS s_dev, i.ino, t.pid, t.comm,
  CASE i.state WHEN 0 THEN 'ended' WHEN 1 THEN 'lost' WHEN 2 THEN 'open'
    WHEN 3 THEN 'evicting' ELSE 'grace' END AS state,
  i.first_us / 1e6 AS first_s, (i.first_us + i.evict_us) / 1e6 AS evict_s,
  (i.first_us + i.end_us) / 1e6 AS last_s, (i.end_us - i.evict_us) / 1e3 AS teardown_ms,
  i.pages, i.owed
FROM inodes i JOIN superblocks s ON s.id = i.superblock JOIN tasks t ON t.id = i.task;

CREATE VIEW hugepage_list AS
SELECT h.epoch, CASE h.folio WHEN 0 THEN NULL
    ELSE printf('ff%06x%08x', h.folio >> 29, (h.folio & 0x1fffffff) << 3) END AS folio,
  h.pfn, h.state, h.since_ns / 1e9 AS since_s, h.freed_ns / 1e9 AS freed_s,
  (h.freed_ns - h.since_ns) / 1e6 AS out_ms, h.extra_refs,
  h.inode & 0xffffffff AS number, s.fs, i.ino
FROM hugepages h LEFT JOIN inodes i ON i.id = h.inode
  LEFT JOIN superblocks s ON s.id = i.superblock;
`;
