/** What ships, as ./scripts/sbom tells it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly { readonly license?: { readonly id?: string } }[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** No registry answers there. */
const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9' };
const made = () =>
  execFileSync(process.execPath, [`${ROOT}scripts/sbom.ts`], { env, encoding: 'utf8' });
const read = (file: string) => JSON.parse(readFileSync(ROOT + file, 'utf8')) as Manifest;

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** The last one is the public domain. */
const LICENCES = ['MIT', 'ISC', 'BSD-3-Clause', 'Apache-2.0', 'Unlicense'];

describe('the list of what ships', () => {
  const text = made();
  const bom = JSON.parse(text) as {
    bomFormat: string;
    metadata: { component: { name: string } };
    components: Component[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };

  it('is the same each time, and asks no registry', () => {
    expect(made()).toBe(text);
    expect(bom).toMatchObject({
      bomFormat: 'CycloneDX',
      metadata: { component: { name: 'lastref' } },
    });
  });

  it('has each dependency in its version, and none that only the tests need', () => {
    const { dependencies, devDependencies } = read('package.json');
    const listed = Object.fromEntries(bom.components.map(({ name, version }) => [name, version]));
    expect(listed).toMatchObject(dependencies);
    for (const name of Object.keys(devDependencies))
      expect(Object.keys(listed)).not.toContain(name);
  });

  it('says what needs what, of these alone', () => {
    const refs = bom.dependencies.map(({ ref }) => ref);
    expect(refs).toHaveLength(bom.components.length + 1);
    for (const { dependsOn } of bom.dependencies) {
      for (const one of dependsOn) expect(refs).toContain(one);
    }
    const own = bom.dependencies.find(({ ref }) => ref.startsWith('lastref@'))!;
    expect(own.dependsOn).toHaveLength(Object.keys(read('package.json').dependencies).length);
  });

  it('has licences that go with ours, and a hash of each', () => {
    for (const { name, licenses, hashes } of bom.components) {
      const ids = (licenses ?? []).map(({ license }) => license?.id);
      expect(ids.length, name).toBeGreaterThan(0);
      for (const id of ids) expect(LICENCES, name).toContain(id);
      expect(hashes?.[0]?.content, name).toMatch(/^[0-9a-f]{64,128}$/);
    }
  });

  it('is explained: each package of package.json has its line in the decision', () => {
    const page = readFileSync(`${ROOT}docs/decisions/dependencies.md`, 'utf8');
    const { dependencies, devDependencies } = read('package.json');
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      expect(page, name).toContain(`| \`${name}\` |`);
    }
  });
});
