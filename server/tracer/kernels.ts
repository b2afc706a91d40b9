/**
 * What the programs in bpf/ call by the name it has on 6.12 and newer, and what other
 * kernels call it. Which of the names a host has, its BTF and its symbols say; nothing
 * here goes by version. Adding a kernel is adding rows.
 */

/** Functions (mm/hugetlb.c up to 6.2 or so): the same step under another name. */
export const FUNCTION_NAMES: Readonly<Record<string, readonly string[]>> = {
  alloc_hugetlb_folio: ['alloc_huge_page'],
  alloc_hugetlb_folio_nodemask: ['alloc_huge_page_nodemask'],
  free_huge_folio: ['free_huge_page'],
  enqueue_hugetlb_folio: ['enqueue_huge_page'],
  update_and_free_hugetlb_folio: ['update_and_free_page'],
  __update_and_free_hugetlb_folio: ['__update_and_free_page'],
  try_grab_folio_fast: ['try_grab_folio'],
};

/**
 * Arguments: `struct page *page` became `struct folio *folio`. Not in
 * try_grab_folio(), where the page may be any of the folio.
 */
const ARGUMENT_NAMES: Readonly<Record<string, readonly string[]>> = {
  folio: ['page'],
  old_folio: ['oldpage'],
  new_folio: ['newpage'],
};

/** The name that a function has for an argument of the programs; null when it has none. */
export function argumentOf(
  target: string,
  name: string,
  args: readonly { readonly name: string }[],
): string | null {
  const others = target === 'try_grab_folio' ? [] : (ARGUMENT_NAMES[name] ?? []);
  return [name, ...others].find((known) => args.some((arg) => arg.name === known)) ?? null;
}

/** All names of a function, the one in the programs first. */
export function namesOf(target: string): readonly string[] {
  return [target, ...(FUNCTION_NAMES[target] ?? [])];
}
