// What `studio_page.py` runs in the page of the studio: an object of functions that measure by
// the Performance API and answer with milliseconds.
({
  // A hand at the stage; places are shares of its width and height.
  makeHand() {
    const stage = document.querySelector('#stage'), box = stage.getBoundingClientRect();
    stage.setPointerCapture = () => {};
    return (kind, x, y, buttons = 1, button = 0) => stage.dispatchEvent(new PointerEvent(kind, {
      pointerId: 1, bubbles: true, button, buttons,
      clientX: box.x + x * box.width, clientY: box.y + y * box.height}));
  },

  press(key, ctrlKey = false) {
    document.activeElement.blur();
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key, ctrlKey, bubbles: true}));
  },

  wait: (ms) => new Promise((done) => setTimeout(done, ms)),

  async until(isTrue) {
    while (!isTrue()) await new Promise((done) => setTimeout(done, 1));
  },

  // The time of the main thread in callbacks before frames; `end` gives it and puts all back.
  watchFrames() {
    const plain = window.requestAnimationFrame.bind(window), found = {ms: 0, tasks: 0};
    window.requestAnimationFrame = (draw) => plain((time) => {
      const begun = performance.now();
      draw(time);
      found.ms += performance.now() - begun;
    });
    const tasks = new PerformanceObserver((list) => { found.tasks += list.getEntries().length; });
    tasks.observe({entryTypes: ['longtask']});
    const end = () => { window.requestAnimationFrame = plain; tasks.disconnect(); };
    return {found, plain, end};
  },

  // Milliseconds of the main thread for each move, the frame that draws it among them.
  async move({moves, across, isDown = true}) {
    const send = this.makeHand(), {found, plain, end} = this.watchFrames(), times = [];
    const at = (n) => [0.5 + across * Math.sin(n / 40), 0.5 + 0.15 * Math.sin(n / 13)];
    if (isDown) send('pointerdown', ...at(0));
    for (let n = 1; n <= moves; n++) {
      const before = found.ms, begun = performance.now();
      send('pointermove', ...at(n), Number(isDown));
      const sent = performance.now() - begun;
      await new Promise((done) => plain(() => plain(done)));
      times.push(sent + found.ms - before);
    }
    if (isDown) send('pointerup', ...at(moves), 0);
    await this.wait(500);
    end();
    return times;
  },

  // A stroke that goes on for some seconds, at 120 moves a second: the mean of a move in its first
  // and in its last sixth, and the tasks above 50 ms until it is saved.
  async paintLong({seconds}) {
    const send = this.makeHand(), {found, end} = this.watchFrames(), parts = [[0, 0], [0, 0]];
    const at = (n) => [0.5 + 0.45 * Math.sin(n / 211), 0.5 + 0.4 * Math.sin(n / 97)];
    const begun = performance.now(), moves = 120 * seconds;
    send('pointerdown', ...at(0));
    for (let n = 1; n <= moves; n++) {
      await this.until(() => performance.now() - begun >= n * 1000 / 120);
      const from = performance.now(), before = found.ms;
      found.ms = 0;
      send('pointermove', ...at(n));
      const part = n <= moves / 6 ? parts[0] : n > 5 * moves / 6 ? parts[1] : [0, 0];
      part[0] += performance.now() - from + before;
      part[1] += 1;
    }
    send('pointerup', ...at(moves), 0);
    await this.untilSaved();
    end();
    return {tasks: found.tasks, first: parts[0][0] / parts[0][1], last: parts[1][0] / parts[1][1]};
  },

  async untilSaved() {
    await this.wait(200);
    await this.until(() => document.querySelector('#saved').textContent === 'saved');
  },

  // One disc for each move, and all drawn again with `xor`, as CVAT's brush does.
  async repaint({moves}) {
    const canvas = Object.assign(document.createElement('canvas'), {width: 3840, height: 2160});
    const context = canvas.getContext('2d'), discs = [], times = [];
    for (let n = 1; n <= moves; n++) {
      const begun = performance.now();
      discs.push([3840 * (0.5 + 0.4 * Math.sin(n / 40)), 2160 * (0.5 + 0.15 * Math.sin(n / 13))]);
      context.clearRect(0, 0, 3840, 2160);
      context.globalCompositeOperation = 'xor';
      for (const [x, y] of discs) {
        context.beginPath();
        context.arc(x, y, 100, 0, 7);
        context.fill();
      }
      context.getImageData(0, 0, 1, 1);
      times.push(performance.now() - begun);
      await new Promise((done) => requestAnimationFrame(done));
    }
    return times;
  },

  // From the key to the pixels of the next frame.
  async undo({times}) {
    const labels = document.querySelector('#labels').getContext('2d'), found = [];
    for (let n = 0; n < times; n++) {
      const begun = performance.now();
      this.press(n % 2 ? 'y' : 'z', true);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      labels.getImageData(0, 0, 1, 1);
      found.push(performance.now() - begun);
      await this.untilSaved();
    }
    return found;
  },

  // From lifting the pointer until the page says "saved". Each stroke has another class than the
  // one before at nearly the same place, so that it changes something.
  async acknowledge({strokes}) {
    const send = this.makeHand(), saved = document.querySelector('#saved'), found = [];
    for (let n = 0; n < strokes; n++) {
      this.press(String(1 + n % 3));
      const x = 0.3 + 0.01 * (n % 20), at = (k) => [x + 0.01 * k, 0.5 + 0.01 * Math.sin(n + k)];
      send('pointerdown', ...at(0));
      for (let k = 1; k <= 8; k++) {
        send('pointermove', ...at(k));
        await new Promise(requestAnimationFrame);
      }
      let done;
      const acknowledged = new Promise((resolve) => { done = resolve; });
      const watch = new MutationObserver(() => { if (saved.textContent === 'saved') done(performance.now()); });
      watch.observe(saved, {childList: true, characterData: true, subtree: true});
      const begun = performance.now();
      send('pointerup', ...at(8), 0);
      found.push(await acknowledged - begun);
      watch.disconnect();
      await this.wait(150);
    }
    return found;
  },

  // From the act to the first picture of another image on the canvas, and until it can be painted.
  async open({act}) {
    const draw = CanvasRenderingContext2D.prototype.drawImage, before = location.hash;
    let painted = 0;
    CanvasRenderingContext2D.prototype.drawImage = function (image, ...at) {
      const isNew = location.hash !== before, number = location.hash.slice(1);
      if (isNew && !painted && image.src?.includes(`/items/${number}/picture/`)) painted = performance.now();
      return draw.call(this, image, ...at);
    };
    delete document.body.dataset.ready;
    const begun = performance.now();
    if (act === 'last') [...document.querySelectorAll('#list button')].at(-1).click();
    else this.press(act);
    await this.until(() => document.body.dataset.ready);
    const ready = performance.now();
    await this.until(() => painted);
    CanvasRenderingContext2D.prototype.drawImage = draw;
    return [painted - begun, ready - begun];
  },

  // From the opening of an image until its superpixels are shown.
  async openCells() {
    const begun = performance.now();
    await this.open({act: 'PageUp'});
    this.press('u');
    await this.until(() => document.body.dataset.overlay === 'shown');
    return performance.now() - begun;
  },

  // From a click to the paths around it; a move along a path is measured by `move`.
  async anchor({times}) {
    const send = this.makeHand(), found = [];
    this.press('x');
    for (let n = 0; n < times; n++) {
      const before = document.body.dataset.wires, begun = performance.now();
      send('pointerdown', 0.4 + 0.01 * n, 0.4);
      send('pointerup', 0.4 + 0.01 * n, 0.4, 0);
      await this.until(() => document.body.dataset.wires !== before);
      found.push(performance.now() - begun);
    }
    return found;
  },

  // Times between frames while the image is moved by the middle button.
  async pan({frames}) {
    const send = this.makeHand(), found = [];
    send('pointerdown', 0.5, 0.5, 4, 1);
    let before = await new Promise(requestAnimationFrame);
    for (let n = 1; n <= frames; n++) {
      send('pointermove', 0.5 + 0.2 * Math.sin(n / 20), 0.5 + 0.2 * Math.cos(n / 20), 4, 1);
      const now = await new Promise(requestAnimationFrame);
      found.push(now - before);
      before = now;
    }
    send('pointerup', 0.5, 0.5, 0, 1);
    return found;
  },
})
