import type { Suspect } from '../../../server/protocol/leaks.ts';
import { Foreign } from './Foreign.tsx';

/** Who may hold it, the likeliest first, each with what says so. */
export function Suspects({ suspects }: { suspects: readonly Suspect[] }) {
  if (suspects.length === 0) return <p class="dim suspects">suspects: none known</p>;
  return (
    <table class="suspects">
      <caption class="visually-hidden">Who may hold it, the likeliest first</caption>
      <tbody>
        {suspects.slice(0, MOST).map(({ pid, comm, how, evidence }) => (
          <tr key={`${pid} ${how} ${evidence}`}>
            <td class="num">{pid}</td>
            <th scope="row" class="mono">
              <Foreign text={comm} empty="name not known" />
            </th>
            <td class="mono">
              <Foreign text={how} />
            </td>
            <td class="dim">
              <Foreign text={evidence} />
            </td>
          </tr>
        ))}
        {suspects.length > MOST && (
          <tr>
            <td colSpan={4} class="dim">
              and {suspects.length - MOST} more, in <code>GET /api/alerts</code>
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

const MOST = 5;
