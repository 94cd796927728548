/**
 * What the YAML parser complains of, in words for people who have not written
 * a YAML parser.
 */
import type { ErrorCode, YAMLError } from 'yaml';

/** By what the parser says, where one code stands for several mistakes. */
const BY_MESSAGE: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/Missing closing (['"])/, 'a text that began with $1 has no closing $1 before this'],
  [/must be sufficiently indented and end with a ([\]}])/, 'what was opened before has no closing "$1" before this'],
  [/Sequence item without - indicator/, 'this is not indented as the items above: one begins with "- "'],
  [/All (?:mapping|sequence) items must start at the same column/, 'this is not indented as what it belongs to'],
  [/Implicit map keys need to be followed/, '":" and a value are missing behind this'],
  [/Missing , /, 'a comma is missing before this'],
  [/Missing space after :/, 'a blank is missing behind ":"'],
  [/Comments must be separated/, 'a blank is missing before "#"'],
  [/cannot start on same line with directives-end/, 'a new line is missing behind "---"'],
  [/cannot start with .* (\S)$/, 'a text that begins with $1 needs quotes'],
  [/Invalid escape sequence (\S+)/, '$1 means nothing in double quotes: write \\\\ for a backslash'],
  [/^Unexpected (\S) in/, '"$1" does not belong here'],
];

const BY_CODE: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'a reference such as *name stands alone',
  BAD_ALIAS: 'a name is missing behind "&" or "*"',
  BAD_COLLECTION_TYPE: 'tags such as !name mean nothing in a machine file',
  BAD_DIRECTIVE: 'lines with % mean nothing in a machine file',
  BAD_DQ_ESCAPE: 'a backslash is wrong here',
  BAD_INDENT: 'the indentation is wrong here',
  BAD_PROP_ORDER: '"&name" stands behind "-" and ":"',
  BAD_SCALAR_START: 'this text needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a line has one "name: value": a text with ": " in it needs quotes',
  BLOCK_IN_FLOW: 'lines with "- " or "name:" cannot stand inside [ ] or { }',
  DUPLICATE_KEY: 'this field is there twice',
  IMPOSSIBLE: 'this is no YAML',
  KEY_OVER_1024_CHARS: 'the name of a field cannot be that long',
  MISSING_CHAR: 'something is missing before this',
  MULTILINE_IMPLICIT_KEY: 'this is neither "name: value" nor "- item", each with a blank',
  MULTIPLE_ANCHORS: 'one "&name" is enough',
  MULTIPLE_DOCS: 'a second document begins here: a machine file is one',
  MULTIPLE_TAGS: 'tags such as !name mean nothing in a machine file',
  NON_STRING_KEY: 'the name of a field is a text',
  RESOURCE_EXHAUSTION: 'this is nested too deeply',
  TAB_AS_INDENT: 'a tab stands where YAML wants blanks',
  TAG_RESOLVE_FAILED: 'tags such as !name mean nothing in a machine file',
  UNEXPECTED_TOKEN: 'this does not belong here',
};

export function syntaxText({ code, message }: YAMLError): string {
  for (const [pattern, text] of BY_MESSAGE) {
    const match = pattern.exec(message);
    if (match) return text.replaceAll('$1', match[1] ?? '');
  }
  return BY_CODE[code];
}
