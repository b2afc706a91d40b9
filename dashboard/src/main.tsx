import { render } from 'preact';
import { App } from './app.tsx';
import { startKeyboard } from './keyboard.ts';
import { startSession } from './session.ts';
import { startTheme } from './theme.ts';
import './style/theme.css';
import './style/base.css';
import './style/shell.css';
import './style/data.css';
import './style/overview.css';
import './style/inodes.css';
import './style/inode.css';
import './style/print.css';

startTheme();
startKeyboard();
startSession();
render(<App />, document.getElementById('app')!);
