/** Ids as the SDK makes them, but for spans that were given one (`SpanOptions.key`). */
import { RandomIdGenerator } from '@opentelemetry/sdk-trace-node';
import { takeChosenId } from './spans.ts';

class SpanIds extends RandomIdGenerator {
  constructor() {
    super();
    const random = this.generateSpanId;
    this.generateSpanId = () => takeChosenId() ?? random();
  }
}

export const spanIds = new SpanIds();
