/** The whole forward kernel as one WebAssembly module, made for one network. */
import { factMagnitudeMax } from '../bounds.ts';
import { denseFunction } from './dense.ts';
import { encodeModule, FunctionBody } from './encoder.ts';
import { activationFunction, expFunction, logFunction, sigmoidFunction } from './functions.ts';
import { type KernelLayout, tileRows } from './layout.ts';
import { lookupFunction } from './lookup.ts';

const fixed = { exp: 0, log: 1, sigmoid: 2, sigmoid4: 3, tanh4: 4, signedLog: 5 } as const;

/** (x: v128) → sign(x) · log(1 + |x|). */
function signedLogFunction(): FunctionBody {
  const f = new FunctionBody(['v128'], ['v128']);
  f.get(0).op('f64x2Abs').f64x2(1).op('f64x2Add').call(fixed.log);
  f.get(0).i64x2(-0x8000000000000000n).op('v128And', 'v128Or');
  return f;
}

/**
 * (rows) → nothing: facts → prepared inputs. Missing values filled, clamped, transformed, rounded to float32 (what a tensor
 * of the facts would hold), normalised in float64, rounded again. Two inputs at a time, unrolled.
 */
function prepareFunction(layout: KernelLayout): FunctionBody {
  const f = new FunctionBody(['i32']);
  const [fact, prepared, value, raw] = [f.local('i32'), f.local('i32'), f.local('v128'), f.local('v128')];
  f.loop(() => {
    for (let pair = 0; pair < layout.inputsPadded / 2; pair++) {
      const at = pair * 16;
      f.get(fact)
        .access('v128Load', layout.facts + at)
        .tee(raw);
      f.i32(0)
        .access('v128Load', layout.missing + at)
        .get(raw)
        .get(raw)
        .op('f64x2Eq', 'v128Bitselect');
      f.f64x2(factMagnitudeMax).op('f64x2Pmin').f64x2(-factMagnitudeMax).op('f64x2Pmax').set(value);
      emitTransform(f, layout, pair, value);
      if (layout.scaled) {
        f.get(value)
          .op('f32x4DemoteF64x2Zero', 'f64x2PromoteLowF32x4')
          .i32(0)
          .access('v128Load', layout.mean + at)
          .op('f64x2Sub');
        f.i32(0)
          .access('v128Load', layout.scale + at)
          .op('f64x2Mul');
        f.i32(0)
          .access('v128Load', layout.shift + at)
          .op('f64x2Add')
          .set(value);
      }
      f.get(prepared)
        .get(value)
        .op('f32x4DemoteF64x2Zero')
        .storeLane('v128Store64Lane', layout.prepared + pair * 8, 0);
    }
    f.get(prepared)
      .i32(layout.inputsPadded * 4)
      .op('i32Add')
      .set(prepared);
    f.get(fact)
      .i32(layout.inputsPadded * 8)
      .op('i32Add')
      .set(fact);
    f.get(0).i32(1).op('i32Sub').tee(0);
  });
  return f;
}

function emitTransform(f: FunctionBody, layout: KernelLayout, pair: number, value: number): void {
  const logged = [0, 1].map((lane) => layout.inputSpecs[pair * 2 + lane]?.transform === 'signedLog1p');
  if (!logged.includes(true)) return;
  f.get(value).call(fixed.signedLog);
  if (logged.includes(false))
    f.get(value)
      .i64x2(logged[0] ? -1n : 0n, logged[1] ? -1n : 0n)
      .op('v128Bitselect');
  f.set(value);
}

/** (inputOffset, outputOffset) → nothing: every layer over a tile of rows, then logits and probabilities. */
function tileFunction(layout: KernelLayout, rows: number, firstDense: number, lookup: number): FunctionBody {
  const f = new FunctionBody(['i32', 'i32']);
  layout.layers.forEach((_, index) => {
    if (index === layout.lookup?.layer) f.get(1).call(lookup);
    f.get(0).call(firstDense + index);
  });
  const output = layout.layers[layout.layers.length - 1];
  if (output === undefined) throw new Error('a network has at least one layer');
  const logit = f.local('v128');
  for (let row = 0; row < rows; row++) {
    f.i32(0)
      .access('v128Load32Zero', output.output + row * output.units * 4)
      .op('f64x2PromoteLowF32x4')
      .set(logit);
    f.get(1)
      .get(logit)
      .storeLane('v128Store64Lane', layout.logits + row * 8, 0);
    f.get(1)
      .get(logit)
      .call(fixed.sigmoid)
      .storeLane('v128Store64Lane', layout.probabilities + row * 8, 0);
  }
  return f;
}

/** (rows) → nothing: tiles of `tileRows`, then what remains row by row. */
function forwardFunction(layout: KernelLayout, wideTile: number, singleTile: number): FunctionBody {
  const f = new FunctionBody(['i32']);
  const [input, output] = [f.local('i32'), f.local('i32')];
  const run = (rows: number, tile: number) => {
    f.get(0)
      .i32(rows)
      .op('i32GeU')
      .when(() => {
        f.loop(() => {
          f.get(input).get(output).call(tile);
          f.get(input)
            .i32(rows * layout.inputsPadded * 4)
            .op('i32Add')
            .set(input);
          f.get(output)
            .i32(rows * 8)
            .op('i32Add')
            .set(output);
          f.get(0).i32(rows).op('i32Sub').tee(0).i32(rows).op('i32GeU');
        });
      });
  };
  run(tileRows, wideTile);
  run(1, singleTile);
  return f;
}

/** Exports `prepare(rows)` (rows ≥ 1), `forward(rows)` and `memory`. */
export function kernelModule(layout: KernelLayout): Uint8Array<ArrayBuffer> {
  const functions = [
    expFunction(),
    logFunction(),
    sigmoidFunction(fixed.exp),
    activationFunction('sigmoid', fixed.sigmoid),
    activationFunction('tanh', fixed.sigmoid),
    signedLogFunction(),
  ];
  const addTile = (rows: number): number => {
    const firstDense = functions.length;
    layout.layers.forEach((layer, index) => {
      const previous = layout.layers[index - 1];
      const source = { address: previous ? previous.output : layout.prepared, moving: previous === undefined };
      const activation = layer.activation === 'tanh' ? fixed.tanh4 : fixed.sigmoid4;
      functions.push(denseFunction(layer, rows, source, activation));
    });
    const { lookup } = layout;
    const looked = lookup && layout.layers[lookup.layer];
    const lookupIndex = looked ? functions.push(lookupFunction(lookup, looked, rows)) - 1 : -1;
    return functions.push(tileFunction(layout, rows, firstDense, lookupIndex)) - 1;
  };
  const wideTile = addTile(tileRows);
  const singleTile = addTile(1);
  const prepare = functions.push(prepareFunction(layout)) - 1;
  const forward = functions.push(forwardFunction(layout, wideTile, singleTile)) - 1;
  return encodeModule(functions, { prepare, forward }, layout.pages);
}
