/**
 * From a description to a running machine.
 */
import { createWorld, type World, type WorldPorts } from '../world.js';
import { worldOptions } from './build.js';
import { checkDescription } from './check.js';
import type { MachineDescription } from './description.js';
import { DescriptionError } from './problem.js';
import { startDevices } from './start.js';

/**
 * Builds the machine, boots its kernel, makes the mdevs and starts the guests.
 * The clock is then in the mode that the description names, if it names one;
 * the seed is for whoever made the ports.
 * @throws DescriptionError what makes no machine, or what the kernel refused
 */
export async function worldFromDescription(ports: WorldPorts, description: MachineDescription): Promise<World> {
  const errors = checkDescription(description).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new DescriptionError(errors);
  const world = await createWorld(ports, worldOptions(description));
  const refused = await startDevices(world, description);
  if (refused.length > 0) {
    world.stop();
    throw new DescriptionError(refused);
  }
  await ports.clock.settle();
  if (description.clock !== undefined) ports.clock.mode = description.clock;
  return world;
}
