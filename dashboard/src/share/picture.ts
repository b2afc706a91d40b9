import { cssColour } from '../theme.ts';
import { tableText, WIDTH, wrap } from './plainText.ts';
import type { ViewPart } from './readView.ts';

const LINE = 17;
const EDGE = 16;
const FONT = '12.5px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

type Piece =
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly colour: string;
      readonly bold: boolean;
    }
  | { readonly kind: 'picture'; readonly canvas: HTMLCanvasElement; readonly height: number };

/**
 * The view as a PNG: its pictures as they are, its tables and words as text. Made by hand,
 * since a page cannot photograph itself.
 */
export async function pictureOf(
  head: readonly string[],
  parts: readonly ViewPart[],
): Promise<Blob> {
  const scale = Math.max(1.5, devicePixelRatio || 1);
  const pieces = [...head.map((text, i) => line(text, i === 0)), ...parts.flatMap(piecesOf)];
  const width = Math.max(
    700,
    ...parts.flatMap(({ pictures }) => pictures.map((canvas) => canvas.clientWidth)),
  );
  const height = pieces.reduce((sum, piece) => sum + heightOf(piece), 0);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round((width + 2 * EDGE) * scale);
  // a canvas of more than this is none
  canvas.height = Math.min(16_000, Math.round((height + 2 * EDGE) * scale));
  const ctx = canvas.getContext('2d')!;
  ctx.scale(scale, scale);
  ctx.fillStyle = cssColour('--bg');
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.textBaseline = 'middle';
  let y = EDGE;
  for (const piece of pieces) {
    if (piece.kind === 'picture') {
      ctx.drawImage(piece.canvas, EDGE, y, piece.canvas.clientWidth, piece.canvas.clientHeight);
    } else {
      ctx.font = piece.bold ? `bold ${FONT}` : FONT;
      ctx.fillStyle = cssColour(piece.colour);
      ctx.fillText(piece.text, EDGE, y + LINE / 2);
    }
    y += heightOf(piece);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new Error('no picture')) : resolve(blob)));
  });
}

function piecesOf({ title, lines, table, pictures }: ViewPart): Piece[] {
  const shown = pictures.filter((canvas) => canvas.clientWidth > 0 && canvas.clientHeight > 0);
  if (lines.length === 0 && table === null && shown.length === 0) return [];
  return [
    line(''),
    ...(title === '' ? [] : [line(title, true)]),
    ...lines.flatMap((text) => wrap(text, WIDTH)).map((text) => line(text, false, '--dim')),
    ...shown.map((canvas): Piece => {
      return { kind: 'picture', canvas, height: canvas.clientHeight + 6 };
    }),
    ...(table === null ? [] : tableText(table).map((text) => line(text))),
  ];
}

function line(text: string, bold = false, colour = '--text'): Piece {
  return { kind: 'text', text, bold, colour };
}

function heightOf(piece: Piece): number {
  return piece.kind === 'picture' ? piece.height : LINE;
}
