import { editor } from './editor';
import { start } from './start';

export default [editor, start];
