import { store } from '../session.ts';
import { askPermission, permission } from './notices.ts';

/** The browser may be asked to show notifications, by this click alone. */
export function NoticeButton() {
  if (store.hello.value?.mode !== 'live') return null;
  switch (permission.value) {
    case 'default':
      return (
        <button type="button" onClick={() => void askPermission()}>
          notify in this browser
        </button>
      );
    case 'granted':
      return <span class="dim">· this browser notifies</span>;
    case 'denied':
      return <span class="dim">· notifications are blocked in this browser</span>;
    default:
      return null;
  }
}
