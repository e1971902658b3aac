/** Keys refused at any level of any document: code that copies objects carelessly could be led astray by them. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
