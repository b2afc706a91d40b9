import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TYPES, parseFacts } from '../../server/tracer/facts.ts';
import { factsText, LOCKED_DOWN_618, VM_612 } from '../fixtures/hosts.ts';

describe('what a host offers', () => {
  it('is read from what the script printed', () => {
    expect(parseFacts(factsText({ modules: 'kvm' }))).toMatchObject({
      kernel: '6.12.117+deb13-cloud-amd64',
      machine: 'x86_64',
      bootId: '9f8797d9-81ca-45df-8107-cf042d4d8a49',
      bpftrace: '0.23.2',
      cpus: 2,
      pageBytes: 4096,
      hugepageKb: 2048,
      memoryKb: 2014896,
      btf: true,
      tracepoints: [
        'filemap:mm_filemap_add_to_page_cache',
        'filemap:mm_filemap_delete_from_page_cache',
      ],
      modules: ['kvm'],
      kprobes: true,
      directCalls: true,
      ftraceOff: false,
      types: NO_TYPES,
    });
    expect(parseFacts(VM_612)!.traceable).toContain('evict');
    expect(parseFacts(VM_612)!.symbols).toContain('vmemmap_base');
  });

  it.each([
    ['grep:/sys/kernel/tracing/available_filter_functions:Operationnotpermitted', 'locked down'],
    [
      'grep:/sys/kernel/tracing/available_filter_functions:Nosuchfileordirectory',
      'CONFIG_DYNAMIC_FTRACE',
    ],
    ['grep:/sys/kernel/tracing/available_filter_functions:Nosuchdevice', 'a reboot brings it back'],
    ['grep:/x:Inputoutputerror', 'Inputoutputerror'],
  ])('a complaint is a reason: %s', (complaint, why) => {
    const facts = parseFacts(factsText({ traceable: complaint }))!;
    expect(facts.traceable).toBeNull();
    expect(facts.traceableWhy).toContain(why);
  });

  it('a complaint in the middle of a list spoils the list', () => {
    const facts = parseFacts(factsText({ traceable: 'evict\ngrep:x:Operationnotpermitted' }))!;
    expect(facts.traceable).toBeNull();
  });

  it('an empty list is no list', () => {
    expect(parseFacts(factsText({ traceable: '' }))).toMatchObject({
      traceable: null,
      traceableWhy: 'ftrace lists no function',
    });
  });

  it.each([
    ['bpftrace v0.17.0', '0.17.0'],
    ['bpftrace v0.27.1-24-gabc', '0.27.1'],
    ['', ''],
    ['bpftrace: error while loading shared libraries', ''],
  ])('the version in %j is %j', (said, version) => {
    expect(parseFacts(factsText({ bpftrace: said }))!.bpftrace).toBe(version);
  });

  it('a configuration that is not told is not taken for one without direct calls', () => {
    expect(parseFacts(factsText({ direct: 'n' }))!.directCalls).toBe(false);
    expect(parseFacts(factsText({ direct: '' }))!.directCalls).toBeNull();
  });

  it('no kprobe_events file is no kprobes, and a module that is not loaded is none', () => {
    expect(parseFacts(factsText({ kprobes: '' }))!.kprobes).toBe(false);
    expect(parseFacts(factsText({ modules: '' }))!.modules).toEqual([]);
  });

  it('ftrace is off only where the kernel says so', () => {
    expect(parseFacts(factsText({ ftrace: '0' }))!.ftraceOff).toBe(true);
    expect(parseFacts(factsText({ ftrace: '' }))!.ftraceOff).toBe(false);
  });

  it('no answer, or half of one, is null and never an exception', () => {
    expect(parseFacts('')).toBeNull();
    expect(parseFacts('Permission denied\n')).toBeNull();
    for (let cut = 0; cut < LOCKED_DOWN_618.length; cut += 7) {
      const facts = parseFacts(LOCKED_DOWN_618.slice(0, cut));
      if (!LOCKED_DOWN_618.slice(0, cut).includes('== tracepoints')) expect(facts).toBeNull();
    }
    fc.assert(fc.property(fc.string(), (text) => void parseFacts(text)));
  });

  it('counts that a host does not tell have a safe value', () => {
    expect(parseFacts(factsText({ cpus: '', hugepage: '', memory: 'x' }))).toMatchObject({
      cpus: 1,
      pageBytes: 4096,
      hugepageKb: 2048,
      memoryKb: 1_000_000,
    });
  });
});
