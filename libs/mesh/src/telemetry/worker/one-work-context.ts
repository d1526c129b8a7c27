/**
 * The context of a process that does one piece of work at a time: a variable. `AsyncLocalStorage`, which tells several
 * apart, has Node 20 look at every promise.
 */
import { ROOT_CONTEXT, type Context, type ContextManager } from '@opentelemetry/api';

export class OneWorkContext implements ContextManager {
  #current: Context = ROOT_CONTEXT;

  active(): Context {
    return this.#current;
  }

  /** Until what `fn` began has settled. */
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const before = this.#current;
    const restore = (): void => void (this.#current = before);
    this.#current = context;
    let result: unknown;
    try {
      result = fn.call(thisArg, ...args);
    } catch (error) {
      restore();
      throw error;
    }
    if (!(result instanceof Promise)) {
      restore();
      return result as ReturnType<F>;
    }
    return result.finally(restore) as ReturnType<F>;
  }

  bind<T>(_context: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#current = ROOT_CONTEXT;
    return this;
  }
}
