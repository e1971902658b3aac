import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

/**
 * Bodies are taken as the bytes they are: our own decoder is stricter than a JSON parser and wants them untouched.
 * Whatever is not declared as JSON is refused.
 */
export function takeRawJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding.toLowerCase() === 'identity') done(null, body);
    else done(new ProblemError('unsupported_media_type'));
  });
}

/** The bytes of the request's body. @throws ProblemError where there is none. */
export function bodyOf(request: FastifyRequest): Buffer {
  if (Buffer.isBuffer(request.body)) return request.body;
  throw new ProblemError('unsupported_media_type');
}
