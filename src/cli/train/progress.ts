/** The bar of a training on stderr; where that is no terminal, a line for every epoch. */
import cliProgress from 'cli-progress';
import type { ProcedureProgress } from '../../models/training/procedure.ts';
import type { PaymentSource } from '../history/payments.ts';

/** Lines for the reading of the file where there is no bar: one for so many payments. */
const paymentsPerLine = 500_000;

export interface TrainingProgress {
  readonly onPayments: (paymentsFed: number) => void;
  readonly onEpoch: (progress: ProcedureProgress) => void;
  readonly stop: () => void;
}

const phaseText = ({ phase, network, networks }: ProcedureProgress): string =>
  `${phase === 'validation' ? 'validating' : 'training'}: network ${network} of ${networks}`;

function epochText(progress: ProcedureProgress): string {
  const { epoch, epochs, meanLoss, validationAp } = progress;
  const validation = validationAp === undefined ? '' : `, validation AP ${validationAp.toFixed(4)}`;
  return `${phaseText(progress)}, epoch ${epoch} of ${epochs}, loss ${meanLoss.toFixed(5)}${validation}`;
}

/** Epochs done of all networks of a phase, as a bar that only grows. */
function createEpochCount() {
  const epochOf = new Map<string, number>();
  return (progress: ProcedureProgress): { done: number; total: number } => {
    epochOf.set(`${progress.phase} ${progress.network}`, progress.epoch);
    let done = 0;
    for (const [key, epoch] of epochOf) if (key.startsWith(progress.phase)) done += epoch;
    return { done, total: progress.networks * progress.epochs };
  };
}

export function startProgress(source: PaymentSource): TrainingProgress {
  const count = createEpochCount();
  if (!process.stderr.isTTY) {
    let said = 0;
    return {
      onPayments(paymentsFed) {
        if (paymentsFed < said + paymentsPerLine) return;
        said = paymentsFed;
        process.stderr.write(`features: ${paymentsFed} payments\n`);
      },
      onEpoch: (progress) => process.stderr.write(`${epochText(progress)}\n`),
      stop: () => undefined,
    };
  }
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: '{bar} {percentage} % | {text}',
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(Math.max(1, source.bytesTotal), 0, { text: 'features' });
  return {
    onPayments: (paymentsFed) => bar.update(source.bytesRead(), { text: `features: ${paymentsFed} payments` }),
    onEpoch(progress) {
      const { done, total } = count(progress);
      bar.setTotal(total);
      bar.update(done, { text: epochText(progress) });
    },
    stop: () => bar.stop(),
  };
}
