#!/usr/bin/env node
// The command of the npm package. Plain, so that any Node can say what is wrong.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `lastref: it needs Node 24 or newer; this is ${process.versions.node}\n` +
      'Get one: npx -p node@24 -p lastref lastref, or https://nodejs.org\n',
  );
  process.exitCode = 2;
} else {
  import('../server/cli/main.js');
}
