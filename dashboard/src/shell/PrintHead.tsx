import { useEffect, useRef } from 'preact/hooks';
import { headLines } from '../share/readView.ts';

/** On paper above the view: what it is of, from which host, at which time. */
export function PrintHead() {
  const head = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    // written when it is printed: nothing that is rendered later would be on the paper
    const write = () => {
      if (head.current) head.current.textContent = headLines().join(' · ');
    };
    addEventListener('beforeprint', write);
    return () => removeEventListener('beforeprint', write);
  }, []);
  return <p class="print-head" ref={head} />;
}
