/** See scripts/sbom. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: { 'bom-ref': string; name: string; type: string } };
  components: {
    readonly 'bom-ref': string;
    readonly properties?: readonly { readonly name: string }[];
  }[];
  dependencies: { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const root = resolve(import.meta.dirname, '..');
const sbom = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--offline'];
const bom = JSON.parse(execFileSync('npm', sbom, { cwd: root, encoding: 'utf8' })) as Bom;

// npm's own --omit=dev leaves out also what something of the tests could use
bom.components = bom.components.filter(
  ({ properties = [] }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'),
);
const kept = new Set(bom.components.map((component) => component['bom-ref']));
kept.add(bom.metadata.component['bom-ref']);
bom.dependencies = bom.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => kept.has(one)) }));

// npm takes the name of the folder, the time of day and a random number
const { name } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { name: string };
Object.assign(bom.metadata.component, { name, type: 'application' });
delete bom.serialNumber;
delete bom.metadata.timestamp;
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
