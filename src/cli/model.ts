/** `holdfast model …`: models, apart from the releases that hold them. */
import { Command } from 'commander';
import { importCommand } from './model/import.ts';

export function modelCommand(): Command {
  return new Command('model').description('import models that others have made').addCommand(importCommand());
}
