/** How a command ends, for shells and supervisors; part of the public contract. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command with a sentence for the user instead of a stack trace; anything else that is thrown is a bug and shows its stack. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

export const failed = (message: string): CommandError => new CommandError(exitCodes.failed, message);
export const wrongUsage = (message: string): CommandError => new CommandError(exitCodes.usage, message);
export const unreachable = (message: string): CommandError => new CommandError(exitCodes.unreachable, message);
