import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/**
 * Builds the page into dashboard/dist. The server sends `script-src 'self'; style-src 'self'`,
 * so nothing may be inlined into the HTML: no module-preload polyfill, no inlined assets.
 */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    // `npx vite dashboard` against a running lastref: open the printed link first, for the cookie.
    proxy: {
      '/ws': { target: 'ws://127.0.0.1:7373', ws: true },
      '/api': 'http://127.0.0.1:7373',
    },
  },
});
