// 中文. What is missing here is shown in English.
export const ZH: Readonly<Record<string, string>> = {};
