import type { LatencyChange } from '../../../server/protocol/compare.ts';

/** What a result is called on the page. */
export const RESULT_TEXT: Record<LatencyChange['result'], string> = {
  slower: 'slower',
  faster: 'faster',
  'tail longer': 'longer tail',
  'tail shorter': 'shorter tail',
  small: 'a small change',
  none: 'no change to be seen',
  'too few': 'too few to say',
};

/** Colour repeats the word; none for what did not change. */
export const RESULT_TONE: Record<LatencyChange['result'], '' | 'bad' | 'good'> = {
  slower: 'bad',
  faster: 'good',
  'tail longer': 'bad',
  'tail shorter': 'good',
  small: '',
  none: '',
  'too few': '',
};
