/** Why a model cannot serve; `code` is stable, the message is a sentence for the operator. */
export type ModelErrorCode =
  | 'model_unreadable'
  | 'model_topology'
  | 'model_weights'
  | 'model_inputs'
  | 'model_output'
  | 'model_too_large'
  | 'model_unsupported';

/** The refusal of a model: a fault of the artefact, never of the program. */
export class ModelError extends Error {
  readonly code: ModelErrorCode;

  constructor(code: ModelErrorCode, message: string) {
    super(message);
    this.name = 'ModelError';
    this.code = code;
  }
}
