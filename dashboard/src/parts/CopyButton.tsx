import { useState } from 'preact/hooks';

/** Copies a text, and says so. Without clipboard access (plain http beyond loopback) it selects instead. */
export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    const done = await putOnClipboard(text());
    setSaid(done ? 'copied' : 'could not copy');
    setTimeout(() => setSaid(''), 2000);
  };
  return (
    <span>
      <button type="button" onClick={copy}>
        {label}
      </button>
      <span role="status" class="said">
        {said}
      </span>
    </span>
  );
}

export async function putOnClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
