/** `emloc correct`: an adapter that was trained on an emulator, made to fit the original. */
import {
  maxSeqLengthOption,
  meshOptions,
  modelOption,
  outputOption,
  overwriteOption,
  precisionOption,
} from '../options/common.ts';
import {
  correctionMethodOption,
  maxCorrectionRatioOption,
  type CorrectionMethodName,
} from '../options/correction.ts';
import { dataOptions, type TypedData } from '../options/data.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface CorrectOptions extends TypedData {
  readonly model: string;
  readonly emulator: string;
  readonly adapter: string;
  readonly output: string;
  readonly overwrite: boolean;
  readonly method?: CorrectionMethodName;
  readonly maxCorrectionRatio: number;
  readonly evalData?: string;
  readonly precision?: 'f32' | 'bf16';
  readonly server?: string;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Makes an adapter that was trained on an emulator fit the original model. Refuses the emulator of another model and ' +
      'an adapter that was corrected already. Prints how much was limited, and for auto the loss of every candidate.',
  );
  addOptions(command, 'Input and output', [
    modelOption,
    { flags: '--emulator <dir>', says: 'emulator that the adapter was trained on', required: true },
    { flags: '--adapter <dir>', says: 'PEFT adapter to correct', required: true },
    outputOption('PEFT adapter directory to write'),
    overwriteOption,
  ]);
  addOptions(command, 'Correction', [
    correctionMethodOption('--method', 'auto with --eval-data, else paper'),
    maxCorrectionRatioOption,
    { flags: '--eval-data <file>', says: 'held-out rows that choose among the candidates of auto' },
    maxSeqLengthOption,
    precisionOption,
  ]);
  addOptions(command, 'Data', dataOptions);
  addOptions(command, 'Mesh', meshOptions);
  addExamples(
    command,
    'emloc correct --model ./model --emulator ./emulator --adapter ./adapter --output ./corrected --eval-data held-out.jsonl',
  );
  command.action((options: CorrectOptions) =>
    start(options, async (context) => {
      const { correct } = await import('../stages/correct.ts');
      await correct(context, options);
    }),
  );
};
