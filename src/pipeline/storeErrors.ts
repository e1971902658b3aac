/** How a DecisionStore refuses to read; shared by its implementations and by the API, which maps it to a problem document. */

/** Whether there is a decision cannot be told now. The caller may ask again; it must not take it for "there is none". */
export class DecisionsUnavailable extends Error {
  override readonly name = 'DecisionsUnavailable';
}
