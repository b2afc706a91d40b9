/** Opens what there is of a trace: a recording, or the text that bpftrace printed. */
import { type Recording, RecordingReader } from './reader.ts';
import { headOf, isText, TextReader } from './text.ts';

/** By its content, not by its name. Throws RecordingError. */
export function openRecording(file: string): Recording {
  return isText(headOf(file)) ? new TextReader(file) : new RecordingReader(file);
}
