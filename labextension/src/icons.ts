/** Icons of the launcher's section. Colours come from the theme by JupyterLab's jp-icon classes. */
import { LabIcon } from '@jupyterlab/ui-components';

const drawing = (inside: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${inside}</g></svg>`;

/** A processor. */
export const newNotebookIcon = new LabIcon({
  name: 'execmem-kernel:new-notebook',
  svgstr: drawing(
    '<rect x="7" y="7" width="10" height="10" rx="1.5"/>' +
      '<path d="M10 7V3.5M14 7V3.5M10 20.5V17M14 20.5V17M7 10H3.5M7 14H3.5M20.5 10H17M20.5 14H17"/>'
  )
});

/** A sun that rises. */
export const firstLightIcon = new LabIcon({
  name: 'execmem-kernel:first-light',
  svgstr: drawing('<path d="M3 18.5h18M7 18.5a5 5 0 0 1 10 0M12 9.5V5M5.4 12 3.6 10.2M18.6 12l1.8-1.8"/>')
});

/** A book. */
export const referenceIcon = new LabIcon({
  name: 'execmem-kernel:reference',
  svgstr: drawing('<path d="M12 6.5C9.5 5 6.5 4.6 3.5 5v13.5c3-.4 6 0 8.5 1.5 2.5-1.5 5.5-1.9 8.5-1.5V5c-3-.4-6 0-8.5 1.5zM12 6.5V20"/>')
});
