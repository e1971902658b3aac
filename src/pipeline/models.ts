/** The models of the release in use, as people ask for them: by id, version, or role. */
import type { ModelHealth } from '../models/monitoring/health.ts';
import type { ModelArtefact } from '../models/types.ts';
import { modelVersion } from '../models/version.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import type { ModelAnalytics, ModelComparison, ModelInputQuery, ModelWindow } from './modelAnalytics.ts';
import { healthMeasures } from './healthMeasures.ts';
import type { ParityState } from './parityJob.ts';

export interface ReleasedModel {
  readonly id: string;
  readonly version: string;
  readonly role: 'champion' | 'challenger';
  readonly artefact: ModelArtefact;
}

export interface ModelsService {
  readonly releaseId: string;
  /** The champion first; empty where the release has none. */
  list(): readonly ReleasedModel[];
  /** By id, by the beginning of a version, or as `champion`; of several of one id the champion, then the first challenger. */
  find(name: string): ReleasedModel | undefined;
  /** Rejects as ModelAnalytics does. */
  health(model: ReleasedModel, window: ModelWindow): Promise<ModelHealth>;
  /** The champion against all challengers; for one of them, against it alone. */
  comparison(model: ReleasedModel, window: ModelWindow, seed: number): Promise<ModelComparison>;
  /** What this process found of recorded features; undefined where it compares none. */
  parity(): ParityState | undefined;
  /** What anyone found of them in the time, as the analytics store has it. */
  recordedParity(window: ModelWindow): Promise<ParityState | undefined>;
  /** Writes down how a model is. Rejects as ModelAnalytics does. */
  record(model: ReleasedModel, tenantId: string, atMs: number, health: ModelHealth): Promise<void>;
}

export interface ModelsOptions {
  readonly release: CompiledRelease;
  readonly analytics: ModelAnalytics;
  /** Undefined where features are not compared with the log. */
  readonly parity: () => ParityState | undefined;
}

/** A version is named by so many digits at least. */
const versionBeginning = /^[0-9a-f]{6,64}$/;

function releasedModels({ bundle }: CompiledRelease): readonly ReleasedModel[] {
  const released = (artefact: ModelArtefact, role: ReleasedModel['role']): ReleasedModel => ({
    id: artefact.card.id,
    version: modelVersion(artefact),
    role,
    artefact,
  });
  const champion = bundle.model === null ? [] : [released(bundle.model, 'champion')];
  return [...champion, ...(bundle.challengers ?? []).map((one) => released(one, 'challenger'))];
}

/** Inputs of the card; a category has a vocabulary. */
function inputQueries({ artefact }: ReleasedModel): ModelInputQuery[] {
  const inputs: readonly { readonly fact: string; readonly vocabulary?: readonly string[] }[] = artefact.card.inputs;
  return inputs.map(({ fact, vocabulary }) => (vocabulary === undefined ? { fact } : { fact, vocabulary }));
}

export function createModelsService({ release, analytics, parity }: ModelsOptions): ModelsService {
  const models = releasedModels(release);
  return {
    releaseId: release.id,
    list: () => models,
    find(name) {
      if (name === 'champion') return models.find(({ role }) => role === 'champion');
      const byId = models.find(({ id }) => id === name);
      if (byId !== undefined || !versionBeginning.test(name)) return byId;
      return models.find(({ version }) => version.startsWith(name));
    },
    health(model, window) {
      const { reference } = model.artefact.card;
      return analytics.modelHealth({
        ...window,
        version: model.version,
        role: model.role,
        inputs: inputQueries(model),
        features: release.features.names,
        ...(reference === undefined ? {} : { reference }),
      });
    },
    comparison(model, window, seed) {
      const [champion, ...challengers] = models.map(({ id, version }) => ({ id, version }));
      const own = challengers.filter(({ version }) => model.role === 'champion' || version === model.version);
      if (champion === undefined) throw new Error('a release that has a model has a champion');
      return analytics.modelComparison({ ...window, champion, challengers: own, seed });
    },
    parity,
    recordedParity: (window) => analytics.parityOf(window),
    record: ({ id, version, role }, tenantId, atMs, health) =>
      analytics.recordHealth({ tenantId, atMs, model: { id, version, role }, measures: healthMeasures(health) }),
  };
}
