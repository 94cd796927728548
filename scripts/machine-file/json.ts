/**
 * The first mistake of a JSON text.
 *
 * YAML, which reads both kinds of machine files, takes more than JSON does;
 * and JSON.parse does not tell the place on all versions of Node.
 */

export interface JsonFault {
  readonly offset: number;
  readonly text: string;
}

const BLANKS = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?![\w.+-])/y;

type Wanted = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' | 'nothing';

const WORDS: Readonly<Record<Wanted, string>> = {
  value: 'a value is missing',
  'value or ]': 'a value or "]" is missing',
  name: 'a name in double quotes is missing',
  'name or }': 'a name in double quotes or "}" is missing',
  ':': '":" is missing',
  ', or end': 'a comma is missing, or the end of the list or group',
  nothing: 'nothing may follow',
};

/** Undefined: it is JSON. */
export function jsonFault(text: string): JsonFault | undefined {
  /** Closing brackets of what is open. */
  const open: ('}' | ']')[] = [];
  let at = 0;
  let comma = -1;
  let wanted: Wanted = 'value';
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const took = (sign: string): boolean => {
    if (text[at] !== sign) return false;
    at++;
    return true;
  };
  const after = (): Wanted => (open.length > 0 ? ', or end' : 'nothing');
  for (;;) {
    take(BLANKS);
    if (at >= text.length && wanted === 'nothing') return undefined;
    const start = at;
    const closing = open.at(-1);
    if (wanted === ', or end' && took(',')) {
      comma = start;
      wanted = closing === '}' ? 'name' : 'value';
    } else if ((wanted === ', or end' || wanted.endsWith(closing ?? '?')) && closing && took(closing)) {
      open.pop();
      wanted = after();
    } else if (wanted === ':' && took(':')) wanted = 'value';
    else if (wanted.startsWith('name') && take(STRING)) wanted = ':';
    else if (wanted.startsWith('value') && took('{')) {
      open.push('}');
      wanted = 'name or }';
    } else if (wanted.startsWith('value') && took('[')) {
      open.push(']');
      wanted = 'value or ]';
    } else if (wanted.startsWith('value') && (take(STRING) || take(SCALAR))) wanted = after();
    else return fault(text, start, wanted, comma);
  }
}

function fault(text: string, offset: number, wanted: Wanted, comma: number): JsonFault {
  const here = text.slice(offset, offset + 2);
  const isAfterComma = comma >= 0 && text.slice(comma + 1, offset).trim() === '';
  if (here === '//' || here === '/*' || here.startsWith('#')) return { offset, text: 'JSON has no comments' };
  if (isAfterComma && /^[\]}]/.test(here)) return { offset: comma, text: `no comma may stand before "${here[0]}"` };
  if (here.startsWith("'")) return { offset, text: 'JSON wants double quotes' };
  if (here.startsWith('"') && /^(?:name|value)/.test(wanted))
    return { offset, text: 'this text has no closing quote, or something in it that JSON does not allow' };
  return { offset, text: here === '' ? `the file ends here: ${WORDS[wanted]}` : `this is no JSON: ${WORDS[wanted]}` };
}
