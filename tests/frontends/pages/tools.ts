// The tool that the page runs itself.
export const cityPicker = {
  name: "pick_city",
  description: "Let the user choose a city",
  parameters: {
    type: "object" as const,
    properties: { options: { type: "array" as const, items: { type: "string" as const } } },
    required: ["options"],
  },
};

export async function pickCity({ options }: { options: string[] }): Promise<string> {
  return options[options.length - 1];
}
