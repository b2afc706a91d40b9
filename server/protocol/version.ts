/** The version of lastref; `package.json` says the same, and a test sees to it. */
export const VERSION = '0.1.0';

/** Its day; `CHANGELOG.md` says the same. */
export const RELEASED = '2026-11-27';
