/** Line numbers as reports count them: 0 is the line of the magic, 1 the first of the program. */
import { Extension, RangeSet, RangeSetBuilder } from '@codemirror/state';
import { GutterMarker, lineNumberMarkers } from '@codemirror/view';
import { kindField, kindOfState } from './kind';

class LineNumber extends GutterMarker {
  constructor(private readonly text: string) {
    super();
  }

  eq(other: LineNumber): boolean {
    return other.text === this.text;
  }

  toDOM(): Node {
    return document.createTextNode(this.text);
  }
}

/** Replaces the numbers where they are shown; whether they are shown stays the user's choice. */
export const lineNumbers: Extension = lineNumberMarkers.compute(['doc', kindField], state => {
  const kind = kindOfState(state);
  if (!kind) {
    return RangeSet.empty;
  }
  const made = new RangeSetBuilder<GutterMarker>();
  for (let number = 1; number <= state.doc.lines; number++) {
    const { from } = state.doc.line(number);
    made.add(from, from, new LineNumber(number < kind.magicLine ? '' : String(number - kind.magicLine)));
  }
  return made.finish();
});
