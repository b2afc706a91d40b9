import { signal } from '@preact/signals';

/** How much time the charts show while no stretch is chosen, ms. */
export const chartRange = signal(5 * 60_000);
