// Starts the slides once the notebook is loaded, and gives them the keyboard. (The setting `active`
// of jupyterlab-slideshow starts them earlier: then the page may be blank, or take no keys.)
// This is what a bundler writes for an extension, without one: JupyterLab calls init() and get().
async function startSlides(app) {
  const { shell, commands } = app;
  const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
  await app.restored;
  while (!shell.currentWidget?.context?.isReady || !commands.hasCommand('deck:start')) {
    await pause(50);
  }
  const panel = shell.currentWidget;
  await panel.revealed;
  await commands.execute('deck:start');
  panel.content.activeCellIndex = 0;
  // The side bars are closed a second later, which can take the keyboard away.
  for (let i = 0; i < 30; i++) {
    if (!panel.node.contains(document.activeElement)) {
      panel.content.activeCell.node.focus();
    }
    await pause(100);
  }
}

const plugin = {
  id: 'docker-course-present:plugin',
  autoStart: true,
  activate: app => void startSlides(app)
};

window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB['docker-course-present'] = {
  init: () => undefined,
  get: async () => () => ({ __esModule: true, default: plugin })
};
